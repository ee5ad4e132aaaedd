//! Owns whether a store lies apart from everything that it is to outlive: volumes, and other directories of HomePort's.
//! Never opens the store.

use homeport_core::fault::Fault;

use super::error::StoreError;
use crate::directory;
use crate::examine::Machine;
use crate::mountinfo::{Location, MountTable};
use crate::open::open_directory;
use crate::path::{Relation, VolumePath};
use crate::request::Neighbour;

/// Every neighbour that holds the store, lies in it, or is the same directory, also by another path. A store in a volume
/// would be part of its own snapshots, and be lost with it; a volume in a store would be seen by a port. [spec: STO-36]
///
/// # Errors
/// The kernel's table of mounts cannot be read.
pub fn check_apart(machine: &Machine, store: &VolumePath, others: &[Neighbour]) -> Result<Vec<Fault>, StoreError> {
    let path = machine.proc.join("self/mountinfo");
    let text = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
    let mounts = MountTable::parse(&text).map_err(|error| StoreError::Io {
        action: "understand",
        path,
        source: std::io::Error::other(error),
    })?;
    let here = location(&mounts, store);
    let overlapping = others.iter().filter_map(|other| {
        let relation = match store.relation(&other.path) {
            Relation::Separate => {
                // Two paths can be one directory: a bind mount, or a disk that is mounted twice.
                let there = location(&mounts, &other.path);
                here.as_ref().zip(there).map_or(Relation::Separate, |(here, there)| here.relation(&there))
            }
            found => found,
        };
        fault(store, other, relation)
    });
    Ok(overlapping.collect())
}

/// Where a directory is, or where the deepest one above it is that exists, with the rest of the path.
fn location(mounts: &MountTable, path: &VolumePath) -> Option<Location> {
    let above: Vec<VolumePath> = path.prefixes().filter_map(|prefix| prefix.parse().ok()).collect();
    above.into_iter().rev().find_map(|prefix| {
        let id = directory::status(open_directory(&prefix).ok()?).ok()?.mount_id;
        let mut found = mounts.locate(id, prefix.as_path())?;
        found.inner.extend(path.components().skip(prefix.components().count()));
        Some(found)
    })
}

fn fault(store: &VolumePath, other: &Neighbour, relation: Relation) -> Option<Fault> {
    let how = match relation {
        Relation::Separate => return None,
        Relation::Same => "the same directory as",
        Relation::Inside => "inside",
        Relation::Around => "around",
    };
    let message = format!("the store overlaps with {}", other.label);
    let fault = Fault::new("HP-STO-010", store.as_str(), message)
        .actual(format!("`{store}` is {how} `{}`", other.path))
        .expected("a directory apart from it")
        .remedy("name a directory for the store that is apart from every volume")
        .clause("STO-36");
    Some(fault)
}
