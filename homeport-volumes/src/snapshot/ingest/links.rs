//! Owns which entries of one scan are names of one inode. Never decides which of them carries the content: the first that
//! is written does.

use std::collections::HashMap;

use crate::tree::{Stat, TreePath};

/// An inode: its number is another file's in a subvolume that lies in the volume. [spec: STO-16]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { device: stat.device, number: stat.inode }
    }
}

/// The inodes with several names that were met, as far as not all of their names were.
///
/// Memory: the first name of each such inode, until its last name was met; where names lie outside of the volume, to the
/// end of the scan.
#[derive(Debug, Default)]
pub(super) struct Links {
    groups: HashMap<Inode, Group>,
    /// What an earlier scan found out: how many names an inode has, not all of them in the volume.
    outside: Option<HashMap<Inode, u32>>,
}

#[derive(Debug)]
struct Group {
    first: TreePath,
    names: u32,
    met: u32,
    /// What its entry says.
    said: Option<u32>,
}

impl Links {
    /// No inode met yet; what an earlier scan of the same tree found out is `outside`.
    pub(super) fn expecting(outside: HashMap<Inode, u32>) -> Self {
        Self { groups: HashMap::new(), outside: Some(outside) }
    }

    /// The name under which the inode stands already; the name that asks is counted as met.
    pub(super) fn another_name(&mut self, inode: Inode) -> Option<TreePath> {
        let group = self.groups.get_mut(&inode)?;
        group.met += 1;
        let first = group.first.clone();
        if group.met >= group.names && group.said.is_none() {
            self.groups.remove(&inode);
        }
        Some(first)
    }

    /// What an entry of this inode, met for the first time, says about names outside of the volume: what an earlier scan
    /// found out, or the snapshot before if the count is still the same.
    pub(super) fn expected(&self, inode: Inode, names: u32, before: Option<u32>) -> Option<u32> {
        let said = self.outside.as_ref().map_or(before, |outside| outside.get(&inode).copied());
        said.filter(|links| *links == names)
    }

    /// The entry `first` is written for an inode with `names` names, saying `said` of those outside.
    pub(super) fn first(&mut self, inode: Inode, first: &TreePath, names: u32, said: Option<u32>) {
        self.groups.insert(inode, Group { first: first.clone(), names, met: 1, said });
    }

    /// Whether every entry said the truth; otherwise what the next scan has to say, by inode.
    pub(super) fn finish(self) -> Result<(), HashMap<Inode, u32>> {
        let wrong = |group: &Group| (group.met < group.names) != group.said.is_some();
        if !self.groups.values().any(wrong) {
            return Ok(());
        }
        let outside = self.groups.into_iter().filter(|(_, group)| group.met < group.names);
        Err(outside.map(|(inode, group)| (inode, group.names)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inode(number: u64) -> Inode {
        Inode { device: 1, number }
    }

    fn path(text: &str) -> TreePath {
        text.parse().unwrap()
    }

    #[test]
    fn a_group_is_forgotten_with_its_last_name() {
        let mut links = Links::default();
        links.first(inode(7), &path("a"), 3, None);
        assert_eq!(links.another_name(inode(7)), Some(path("a")));
        assert_eq!(links.another_name(inode(7)), Some(path("a")));
        assert!(links.groups.is_empty());
        assert_eq!(links.another_name(inode(8)), None);
        assert_eq!(links.finish(), Ok(()));
    }

    #[test]
    fn names_outside_are_said_by_the_scan_after() {
        let mut links = Links::default();
        assert_eq!(links.expected(inode(7), 3, None), None);
        links.first(inode(7), &path("a"), 3, None);
        links.first(inode(8), &path("b"), 2, None);
        links.another_name(inode(7));
        links.another_name(inode(8));
        let found = links.finish().unwrap_err();
        assert_eq!(found, HashMap::from([(inode(7), 3)]));
        let mut links = Links::expecting(found);
        assert_eq!((links.expected(inode(7), 3, None), links.expected(inode(8), 2, Some(2))), (Some(3), None));
        links.first(inode(7), &path("a"), 3, Some(3));
        links.another_name(inode(7));
        assert_eq!(links.finish(), Ok(()));
    }

    #[test]
    fn what_the_snapshot_before_said_holds_only_for_the_same_count_and_must_be_true() {
        let mut links = Links::default();
        assert_eq!((links.expected(inode(7), 3, Some(3)), links.expected(inode(7), 2, Some(3))), (Some(3), None));
        links.first(inode(7), &path("a"), 2, Some(2));
        links.another_name(inode(7));
        assert_eq!(links.finish(), Err(HashMap::new()));
    }

    #[test]
    fn the_same_number_on_another_device_is_another_inode() {
        let mut links = Links::default();
        links.first(inode(7), &path("a"), 2, None);
        let other = Inode { device: 2, number: 7 };
        assert_eq!(links.another_name(other), None);
        links.first(other, &path("snapshot/a"), 2, None);
        assert_eq!(links.another_name(inode(7)), Some(path("a")));
        assert_eq!(links.another_name(other), Some(path("snapshot/a")));
        assert_eq!(links.finish(), Ok(()));
    }
}
