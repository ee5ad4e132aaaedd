//! The stores of `spec/golden`: made by some release, and never again. Each has its listings beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, Stored, take_out};
use homeport_volumes::snapshot::{Depth, verify};
use homeport_volumes::store::Store;
use homeport_volumes::tree::TreePath;

use crate::listing::listing;
use crate::odd_tree::{self, Scratch};
use crate::{keep, script};

fn goldens() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/golden");
    let mut found: Vec<PathBuf> = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// A copy of a golden store as a store has to be: git keeps neither empty directories nor all of the modes.
fn copy(golden: &Path, scratch: &Scratch) -> PathBuf {
    let store = scratch.dir("store");
    for room in ["packs", "entries", "snapshots", "removed", "tmp"] {
        fs::create_dir(store.join(room)).unwrap();
        let from = golden.join("store").join(room);
        for entry in fs::read_dir(from).into_iter().flatten() {
            let path = entry.unwrap().path();
            fs::copy(&path, store.join(room).join(path.file_name().unwrap())).unwrap();
        }
        fs::set_permissions(store.join(room), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::copy(golden.join("store/store.json"), store.join("store.json")).unwrap();
    fs::write(store.join("lock"), "").unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).unwrap();
    store
}

fn assert_listing(golden: &Path, sequence: u64, volume: &str, tree: &Path) {
    let expected = golden.join(format!("{sequence}-{volume}.listing"));
    let (wanted, found) = (fs::read_to_string(&expected).unwrap(), listing(tree));
    for (wanted, found) in wanted.lines().zip(found.lines()) {
        assert_eq!(found, wanted, "{}", expected.display());
    }
    assert_eq!(found, wanted, "{}", expected.display());
}

/// Takes the flags off when it goes, so that the tree can be removed.
struct Unlock(PathBuf);

impl Drop for Unlock {
    fn drop(&mut self) {
        odd_tree::unlock(&self.0);
    }
}

#[test]
fn every_golden_store_is_read_proven_and_restored() {
    let mut restored = 0;
    for golden in goldens() {
        let scratch = Scratch::new(&std::env::temp_dir());
        let store = Store::open(&copy(&golden, &scratch)).unwrap();
        let catalog = store.catalog().unwrap();
        assert_eq!(catalog.damaged, []);
        let objects = store.objects().unwrap();
        for head in &catalog.snapshots {
            let found = verify(&store, head, Depth::Objects, &Silent).unwrap();
            assert!(found.verified.is_some(), "{}: {:?}", golden.display(), found.faults);
            for part in &head.body.volumes {
                let target = scratch.0.join(format!("{}-{}", head.sequence, part.name));
                let _unlock = Unlock(target.clone());
                let source = Stored::new(&store, &objects, part.entries);
                take_out(&source, &TreePath::root(), &target, Devices::Make, &Silent).unwrap();
                assert_listing(&golden, head.sequence.get().into(), part.name.as_str(), &target);
                restored += 1;
            }
        }
    }
    assert!(restored >= 8, "two stores of two snapshots of two volumes: {restored}");
}

#[test]
fn a_shell_restores_every_golden_store() {
    for golden in goldens() {
        let scratch = Scratch::new(&std::env::temp_dir());
        let at = copy(&golden, &scratch);
        for head in Store::open(&at).unwrap().catalog().unwrap().snapshots {
            let target = scratch.dir(&format!("by-hand-{}", head.sequence)).join("target");
            let _unlock = Unlock(target.join("home"));
            let output = script::run(&["--devices"], &at, &keep::file(&at, &head), &target);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            for part in &head.body.volumes {
                assert_listing(
                    &golden,
                    head.sequence.get().into(),
                    part.name.as_str(),
                    &target.join(part.name.as_str()),
                );
            }
        }
    }
}

/// A store of an old release goes on: this one adds to it, and what was there stays whole.
#[test]
fn every_golden_store_takes_another_snapshot() {
    for golden in goldens() {
        let scratch = Scratch::new(&std::env::temp_dir());
        let at = copy(&golden, &scratch);
        let store = Store::open(&at).unwrap();
        let before = store.catalog().unwrap().snapshots;
        let tree = scratch.dir("tree");
        fs::write(tree.join("new"), "of this release").unwrap();
        let added = keep::snapshot(&store, &[("home", &tree)]);
        let after = store.catalog().unwrap();
        assert_eq!(after.damaged, []);
        assert_eq!(after.snapshots.len(), before.len() + 1);
        assert_eq!(after.snapshots.last(), Some(&added));
        for head in &after.snapshots {
            let found = verify(&store, head, Depth::Objects, &Silent).unwrap();
            assert!(found.verified.is_some(), "{}: {:?}", golden.display(), found.faults);
        }
    }
}
