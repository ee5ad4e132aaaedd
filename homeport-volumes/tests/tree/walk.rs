//! The order, completeness and faults of a walk over real trees, with `find` as the second opinion.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use homeport_core::fault::Advice as _;
use homeport_volumes::tree::{Look, Purpose, Scanned, StatKind, TreeFault, TreePath, Walk, open};

use crate::odd_tree::{self, Scratch};

fn scratch() -> Scratch {
    Scratch::new(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

fn path(bytes: impl AsRef<[u8]>) -> TreePath {
    TreePath::from_bytes(bytes.as_ref()).unwrap()
}

fn walk(tree: &Path) -> Vec<Result<Scanned, TreeFault>> {
    let root = File::open(tree).unwrap();
    Walk::new(root.as_fd()).collect()
}

fn paths(tree: &Path) -> Vec<String> {
    walk(tree).into_iter().map(|scanned| scanned.unwrap().path.to_string()).collect()
}

/// What `find` says of every entry, in one text each.
fn second_opinion(tree: &Path) -> BTreeMap<Vec<u8>, String> {
    let format = "%P\\0%y %m %U %G %s %n %i\\0";
    let output = Command::new("find").arg(tree).args(["-printf", format]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let mut found = BTreeMap::new();
    while let (Some(path), Some(facts)) = (fields.next(), fields.next()) {
        let path = if path.is_empty() { b"." } else { path };
        found.insert(path.to_vec(), String::from_utf8(facts.to_vec()).unwrap());
    }
    found
}

#[test]
fn a_walk_sees_what_find_sees_in_the_order_of_entries() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    odd_tree::make(&tree);
    let found: Vec<Scanned> = walk(&tree).into_iter().map(Result::unwrap).collect();
    let out_of_order = found.windows(2).find(|pair| pair[0].path >= pair[1].path);
    assert!(out_of_order.is_none(), "{out_of_order:?}");
    let described: BTreeMap<Vec<u8>, String> = found
        .iter()
        .map(|Scanned { path, stat }| {
            let kind = match stat.kind {
                StatKind::Directory => 'd',
                StatKind::File => 'f',
                StatKind::Symlink => 'l',
                StatKind::Fifo => 'p',
                StatKind::Socket => 's',
                StatKind::Character(_) => 'c',
                StatKind::Block(_) => 'b',
            };
            let (mode, uid, gid) = (stat.mode.get(), stat.uid, stat.gid);
            let text = format!("{kind} {mode:o} {uid} {gid} {} {} {}", stat.size, stat.links, stat.inode);
            (path.as_bytes().to_vec(), text)
        })
        .collect();
    assert_eq!(described.len(), found.len());
    let wanted = second_opinion(&tree);
    assert_eq!(described.len(), wanted.len());
    for (path, facts) in &wanted {
        assert_eq!(described.get(path), Some(facts), "{}", path.escape_ascii());
    }
}

#[test]
fn what_is_mounted_in_a_tree_is_a_fault_and_the_rest_comes_up() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    for name in ["a", "b", "b/c", "d"] {
        std::fs::create_dir(tree.join(name)).unwrap();
    }
    for name in ["a/1", "b/2", "d/3", "e"] {
        std::fs::write(tree.join(name), name).unwrap();
    }
    let mounts = [Mount::new(&tree.join("a"), &tree.join("b/c")), Mount::new(&tree.join("d/3"), &tree.join("e"))];
    let found = walk(&tree);
    drop(mounts);
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    let good: Vec<String> = good.into_iter().map(|scanned| scanned.unwrap().path.to_string()).collect();
    assert_eq!(good, [".", "a", "a/1", "b", "b/2", "d", "d/3"]);
    let bad: Vec<(String, &str)> =
        bad.into_iter().map(|fault| fault.unwrap_err()).map(|fault| (fault.path().to_string(), fault.code())).collect();
    assert_eq!(bad, [("b/c".to_owned(), "HP-TRE-003"), ("e".to_owned(), "HP-TRE-003")]);
}

/// A bind mount that goes again.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(source: &Path, target: &Path) -> Self {
        let mount = Self(target.to_owned());
        rustix::mount::mount_bind(source, target).unwrap();
        mount
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn what_goes_or_turns_meanwhile_is_named_and_never_followed() {
    let scratch = scratch();
    let (tree, outside) = (scratch.dir("tree"), scratch.dir("outside"));
    std::fs::write(outside.join("secret"), "x").unwrap();
    for name in ["b-gone", "c-linked", "e-file"] {
        std::fs::create_dir(tree.join(name)).unwrap();
        std::fs::write(tree.join(name).join("inside"), "x").unwrap();
    }
    for name in ["a", "d-gone", "f-directory", "g"] {
        std::fs::write(tree.join(name), "x").unwrap();
    }
    let root = File::open(&tree).unwrap();
    let mut found = Vec::new();
    for scanned in Walk::new(root.as_fd()) {
        let at_first = scanned.as_ref().is_ok_and(|scanned| scanned.path == path("a"));
        found.push(match scanned {
            Ok(Scanned { path, stat }) => format!("{path} {:?}", stat.kind),
            Err(fault) => format!("{} {}", fault.path(), fault.code()),
        });
        if at_first {
            // The names of `.` are known by now.
            for name in ["b-gone", "c-linked", "e-file"] {
                std::fs::remove_dir_all(tree.join(name)).unwrap();
            }
            std::fs::remove_file(tree.join("d-gone")).unwrap();
            std::fs::remove_file(tree.join("f-directory")).unwrap();
            std::os::unix::fs::symlink(&outside, tree.join("c-linked")).unwrap();
            std::fs::write(tree.join("e-file"), "x").unwrap();
            std::fs::create_dir(tree.join("f-directory")).unwrap();
            std::fs::write(tree.join("f-directory/new"), "x").unwrap();
        }
    }
    let wanted = [
        ". Directory",
        "a File",
        "b-gone HP-TRE-001",
        "c-linked Symlink",
        "d-gone HP-TRE-001",
        "e-file File",
        "f-directory Directory",
        "f-directory/new File",
        "g File",
    ];
    assert_eq!(found, wanted);
}

/// Directories `0/0/0/...` of this depth, each with a file `z` that comes up on the way back.
fn comb(tree: &Path, depth: usize) -> Vec<String> {
    let mut at = tree.to_owned();
    let mut wanted = vec![".".to_owned()];
    let mut tail = Vec::new();
    for level in 0..depth {
        std::fs::write(at.join("z"), "x").unwrap();
        tail.push(format!("{}z", "0/".repeat(level)));
        at.push("0");
        std::fs::create_dir(&at).unwrap();
        wanted.push(["0"; 400][..=level].join("/"));
    }
    wanted.extend(tail.into_iter().rev());
    wanted
}

#[test]
fn far_directories_are_opened_again_on_the_way_back() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    let wanted = comb(&tree, 300);
    assert_eq!(paths(&tree), wanted);
}

#[test]
fn a_directory_that_is_moved_meanwhile_is_found_by_its_number_or_named() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    let wanted = comb(&tree, 200);
    let root = File::open(&tree).unwrap();
    let mut found = Vec::new();
    for (number, scanned) in Walk::new(root.as_fd()).enumerate() {
        found.push(scanned.unwrap().path.to_string());
        if number == 190 {
            // The directories from the hundredth on get another name: `..` leads back all the same.
            let at = tree.join("0/".repeat(99));
            std::fs::rename(at.join("0"), at.join("moved")).unwrap();
        }
    }
    assert_eq!(found, wanted);

    // Taken out of its parent, `..` leads elsewhere, and the way from the top ends: what is left is at fault.
    let tree = scratch.dir("another");
    let wanted = comb(&tree, 200);
    let (elsewhere, root) = (scratch.dir("elsewhere"), File::open(&tree).unwrap());
    std::fs::write(elsewhere.join("y"), "x").unwrap();
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (number, scanned) in Walk::new(root.as_fd()).enumerate() {
        match scanned {
            Ok(scanned) => found.push(scanned.path.to_string()),
            Err(fault) => faults.push((fault.path().to_string(), fault.code())),
        }
        if number == 190 {
            std::fs::rename(tree.join("0/".repeat(99)), elsewhere.join("moved")).unwrap();
            std::fs::rename(tree.join("0/".repeat(50)), elsewhere.join("other")).unwrap();
            // Others of the same names are not taken for them.
            for level in 50..=99 {
                let at = tree.join("0/".repeat(level));
                std::fs::create_dir(&at).unwrap();
                std::fs::write(at.join("z"), "another").unwrap();
            }
        }
    }
    assert!(found.iter().all(|path| wanted.contains(path)), "{found:?}");
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.1 == "HP-TRE-002"), "{faults:?}");
    // Every name that did not come up is in a directory that was named.
    for path in wanted.iter().filter(|path| !found.contains(path)) {
        let parent = path.strip_suffix("/z").expect("only files on the way back are lost");
        assert!(faults.iter().any(|fault| fault.0 == parent), "{path} is lost without a word");
    }
}

#[test]
fn nothing_outside_is_opened_and_no_link_is_followed() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    std::fs::create_dir(tree.join("dir")).unwrap();
    std::fs::write(tree.join("dir/file"), "x").unwrap();
    std::os::unix::fs::symlink("dir", tree.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", tree.join("etc")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, tree.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let root = File::open(&tree).unwrap();
    let root = root.as_fd();
    for (name, purpose, opens) in [
        ("dir/file", Purpose::Read, true),
        ("dir", Purpose::List, true),
        (".", Purpose::List, true),
        ("link", Purpose::Refer, true),
        ("link", Purpose::List, false),
        ("link", Purpose::Read, false),
        ("link/file", Purpose::Read, false),
        ("etc/passwd", Purpose::Read, false),
        ("dir/file", Purpose::List, false),
        ("missing", Purpose::Refer, false),
    ] {
        assert_eq!(open(root, &path(name), purpose).is_ok(), opens, "{name} {purpose:?}");
    }
    // What was a file when it was listed, and is a FIFO or a link now: no waiting, no following.
    for name in ["fifo", "link", "dir"] {
        let path = path(name);
        let fault = Look::open(root, &path, StatKind::File).unwrap_err();
        assert_eq!(fault.code(), "HP-TRE-002", "{name}");
    }
    assert_eq!(Look::open(root, &path("missing"), StatKind::File).unwrap_err().code(), "HP-TRE-001");
}

#[test]
fn looking_leaves_the_time_of_access_alone() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    std::fs::create_dir(tree.join("dir")).unwrap();
    std::fs::write(tree.join("dir/mbox"), "x").unwrap();
    let touched = [tree.join("dir"), tree.join("dir/mbox")];
    let done = Command::new("touch").args(["-a", "-d", "@1000000000"]).args(touched).status().unwrap();
    assert!(done.success());
    let root = File::open(&tree).unwrap();
    for scanned in Walk::new(root.as_fd()) {
        let Scanned { path, stat } = scanned.unwrap();
        let look = Look::open(root.as_fd(), &path, stat.kind).unwrap();
        look.attributes().unwrap();
        if stat.kind == StatKind::File {
            assert_eq!(rustix::io::read(&look, &mut [0; 10]), Ok(1));
        }
    }
    for name in ["dir", "dir/mbox"] {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(std::fs::metadata(tree.join(name)).unwrap().atime(), 1_000_000_000, "{name}");
    }
}

#[test]
fn an_entry_that_may_not_be_read_is_named_and_the_rest_comes_up() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    for name in ["a", "b", "c"] {
        std::fs::create_dir(tree.join(name)).unwrap();
        std::fs::write(tree.join(name).join("file"), "x").unwrap();
    }
    std::fs::set_permissions(tree.join("b"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    rustix::fs::chown(tree.join("b"), Some(rustix::fs::Uid::from_raw(5000)), Some(rustix::fs::Gid::from_raw(5000)))
        .unwrap();
    let root = File::open(&tree).unwrap();
    // Capabilities belong to a thread: this one gives them up.
    let found = std::thread::spawn(move || {
        let nothing = rustix::thread::CapabilitySet::empty();
        let sets = rustix::thread::CapabilitySets { effective: nothing, permitted: nothing, inheritable: nothing };
        rustix::thread::set_capabilities(None, sets).unwrap();
        Walk::new(root.as_fd()).map(|found| found.map(|scanned| scanned.path.to_string())).collect::<Vec<_>>()
    });
    let (good, bad): (Vec<_>, Vec<_>) = found.join().unwrap().into_iter().partition(Result::is_ok);
    let good: Vec<String> = good.into_iter().map(Result::unwrap).collect();
    assert_eq!(good, [".", "a", "a/file", "c", "c/file"]);
    let bad: Vec<TreeFault> = bad.into_iter().map(Result::unwrap_err).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!((bad[0].path().to_string(), bad[0].code()), ("b".to_owned(), "HP-TRE-005"));
    assert!(bad[0].help().is_some_and(|help| help.contains("root")), "{:?}", bad[0]);
}

#[test]
fn names_are_as_the_file_system_has_them() {
    let scratch = scratch();
    let tree = scratch.dir("tree");
    for name in [&b"\xff"[..], b"\x01", b"a", b"B", b"-", b"~", b"a.", b"a b"] {
        std::fs::write(tree.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    assert_eq!(paths(&tree), [".", "\\001", "-", "B", "a", "a\\040b", "a.", "~", "\\377"]);
}
