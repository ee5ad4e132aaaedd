//! What can still be had of what was ever written: live, from the trash, from snapshots. Found by looking at the disk, not
//! by asking HomePort.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use homeport_host::operation::{self, TrashView};
use homeport_volumes::store::{ObjectId, SnapshotUuid, Store};
use homeport_volumes::tree::{Content, Entry, Kind, Line};

use crate::stage::Stage;

/// Contents of files.
pub(crate) type Contents = BTreeSet<ObjectId>;

impl Stage {
    /// The contents of every file that can be reached.
    pub(crate) fn reachable(&self) -> Contents {
        let mut found = self.live();
        found.extend(self.in_trash());
        found.extend(self.in_snapshots());
        found
    }

    /// What is in live volumes.
    pub(crate) fn live(&self) -> Contents {
        let mut found = Contents::new();
        for record in self.ledger().all_volumes().unwrap() {
            collect(&record.path.join("data"), &mut found);
        }
        found
    }

    /// What is in trees of the trash, each of which HomePort lists.
    pub(crate) fn in_trash(&self) -> Contents {
        self.in_trees(&self.does(operation::trash_list).bundles)
    }

    /// What is in these trees of the trash.
    pub(crate) fn in_trees(&self, bundles: &[TrashView]) -> Contents {
        let mut found = Contents::new();
        for tree in bundles.iter().flat_map(|bundle| &bundle.trees) {
            let whole = self.layout.data_dir().join(".trash").join(tree.tx.to_string()).join("volume");
            let own = tree.path.join(".homeport/trash").join(tree.tx.to_string()).join("data");
            assert!(whole.exists() || own.exists(), "{} is listed and is not there", tree.tx);
            collect(&whole.join("data"), &mut found);
            // What was in a purged volume's own trash shares its way.
            collect(&whole.join(".homeport/trash"), &mut found);
            collect(&own, &mut found);
        }
        found
    }

    /// What snapshots hold.
    pub(crate) fn in_snapshots(&self) -> Contents {
        self.in_those_snapshots(|_| true)
    }

    /// What the snapshots hold that are meant.
    pub(crate) fn in_those_snapshots(&self, are_meant: impl Fn(&SnapshotUuid) -> bool) -> Contents {
        let mut found = Contents::new();
        let Some(record) = self.ledger().store().unwrap() else { return found };
        let store = Store::open(&record.path).unwrap();
        let catalog = store.catalog().unwrap();
        assert_eq!(catalog.damaged, []);
        let objects = store.objects().unwrap();
        for part in
            catalog.snapshots.iter().filter(|head| are_meant(&head.body.uuid)).flat_map(|head| &head.body.volumes)
        {
            for line in store.entries(&part.entries).unwrap() {
                if let Line::Entry(Entry { kind: Kind::File { content: Content::Whole(object), .. }, .. }) =
                    line.unwrap()
                {
                    let mut bytes = Vec::new();
                    objects.read(&object, &mut bytes).unwrap();
                    found.insert(object);
                }
            }
        }
        found
    }
}

fn collect(directory: &Path, found: &mut Contents) {
    for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        let facts = fs::symlink_metadata(entry.path()).unwrap();
        if facts.is_dir() {
            collect(&entry.path(), found);
        } else if facts.is_file() && entry.file_name() != "note.json" {
            found.insert(ObjectId::of(&fs::read(entry.path()).unwrap()));
        }
    }
}
