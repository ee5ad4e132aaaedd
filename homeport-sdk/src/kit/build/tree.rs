//! Owns a file tree as a value: what a layer holds before it is written.
//! Never touches a file system, and never follows a symlink.

use std::collections::BTreeMap;
use std::sync::Arc;

use homeport_core::unit::{Gid, Mode, Uid};

use super::path::{ImagePath, MERGED};

/// Who owns something and who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits.
    pub mode: Mode,
    /// The owner.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
}

impl Meta {
    /// Owned by root, with this mode.
    pub const fn root(mode: u32) -> Self {
        Self { mode: Mode::new(mode), uid: Uid::new(0), gid: Gid::new(0) }
    }
}

/// Something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory(Meta),
    /// A file. Two paths whose bytes are one allocation are hard links of each other.
    File(Meta, Arc<[u8]>),
    /// A symlink, with its target as text; never followed here.
    Symlink(String),
}

impl Node {
    /// An empty file's or a text's node, owned by root.
    pub fn text(mode: u32, text: impl Into<String>) -> Self {
        Self::File(Meta::root(mode), Arc::from(text.into().into_bytes()))
    }

    /// The node without setuid and setgid, which do nothing in a container that cannot gain privileges; a directory
    /// keeps its setgid, which only says whose group new files get.
    fn without_setuid(self) -> Self {
        match self {
            Self::File(meta, bytes) => Self::File(Meta { mode: Mode::new(meta.mode.get() & 0o1777), ..meta }, bytes),
            other => other,
        }
    }
}

/// Files by path, in the order in which a layer lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<ImagePath, (Node, String)>);

/// Why something cannot be put into a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Two sources bring different things at one path.
    #[error("`{path}` comes from `{first}` and, different, from `{second}`")]
    Conflict {
        /// Where.
        path: ImagePath,
        /// What brought it first.
        first: String,
        /// What brought it again.
        second: String,
    },
    /// Something stands below a thing that is no directory.
    #[error("`{path}` from `{origin}` stands below `{above}`, which is no directory")]
    NotADirectory {
        /// Where.
        path: ImagePath,
        /// What brought it.
        origin: String,
        /// The thing above it.
        above: ImagePath,
    },
}

impl Tree {
    /// Puts a node at a path, without setuid and setgid.
    ///
    /// What is there already may be the same; a directory may come again, and then its mode is the one that is not
    /// plainly `0755` of root, which is how `base-files` says that `/tmp` is special.
    pub fn insert(&mut self, path: ImagePath, node: Node, origin: &str) -> Result<(), TreeError> {
        let node = node.without_setuid();
        let plain = Node::Directory(Meta::root(0o755));
        let Some((there, first)) = self.0.get_mut(&path) else {
            self.0.insert(path, (node, origin.to_owned()));
            return Ok(());
        };
        match (&*there, &node) {
            (old, new) if old == new => Ok(()),
            (Node::Directory(_), new) if *new == plain => Ok(()),
            (old, Node::Directory(_)) if *old == plain => {
                *there = node;
                origin.clone_into(first);
                Ok(())
            }
            _ => Err(TreeError::Conflict { path, first: first.clone(), second: origin.to_owned() }),
        }
    }

    /// Puts a node at a path, in place of what is there.
    pub fn replace(&mut self, path: ImagePath, node: Node, origin: &str) {
        self.0.insert(path, (node.without_setuid(), origin.to_owned()));
    }

    /// What is at a path.
    pub fn get(&self, path: &ImagePath) -> Option<&Node> {
        self.0.get(path).map(|(node, _)| node)
    }

    /// Everything, a directory before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&ImagePath, &Node)> {
        self.0.iter().map(|(path, (node, _))| (path, node))
    }

    /// Where the node at a path came from; empty where there is none.
    pub fn origin(&self, path: &ImagePath) -> &str {
        self.0.get(path).map_or("", |(_, origin)| origin)
    }

    /// Adds the directories that are needed and that nothing brought, and the symlinks of the merged `/usr`.
    ///
    /// With `below`, the layers under this one: what they have is not added again.
    pub(super) fn complete(&mut self, below: &Self) -> Result<(), TreeError> {
        for name in MERGED {
            let link = ImagePath::merged_link(name);
            let merged = format!("usr/{name}");
            let inside = format!("{merged}/");
            let used = self.0.keys().any(|path| path.as_str() == merged || path.as_str().starts_with(&inside));
            if used && below.get(&link).is_none() {
                self.insert(link, Node::Symlink(merged), "the merged /usr")?;
            }
        }
        let mut missing = BTreeMap::new();
        for (path, (_, origin)) in &self.0 {
            for above in path.ancestors() {
                match self.get(&above).or_else(|| below.get(&above)) {
                    Some(Node::Directory(_)) => {}
                    Some(_) => {
                        return Err(TreeError::NotADirectory { path: path.clone(), origin: origin.clone(), above });
                    }
                    None => {
                        missing.insert(above, (Node::Directory(Meta::root(0o755)), origin.clone()));
                    }
                }
            }
        }
        self.0.append(&mut missing);
        Ok(())
    }

    /// This tree with another one laid over it, as an engine sees two layers.
    pub(super) fn overlaid(&self, above: &Self) -> Self {
        let mut both = self.clone();
        both.0.extend(above.0.iter().map(|(path, entry)| (path.clone(), entry.clone())));
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::from_recipe(text).unwrap()
    }

    fn modes(tree: &Tree) -> Vec<(String, u32)> {
        let mode = |node: &Node| match node {
            Node::Directory(meta) | Node::File(meta, _) => meta.mode.get(),
            Node::Symlink(_) => 0o777,
        };
        tree.iter().map(|(path, node)| (path.to_string(), mode(node))).collect()
    }

    #[test]
    fn the_special_mode_of_a_directory_wins_in_either_order() {
        for modes_in in [[0o755, 0o1777], [0o1777, 0o755]] {
            let mut tree = Tree::default();
            for mode in modes_in {
                tree.insert(path("/tmp"), Node::Directory(Meta::root(mode)), "x").unwrap();
            }
            assert_eq!(modes(&tree), [("/tmp".to_owned(), 0o1777)]);
        }
    }

    #[test]
    fn different_files_at_one_path_are_a_conflict_and_equal_ones_are_not() {
        let mut tree = Tree::default();
        tree.insert(path("/a"), Node::text(0o644, "1"), "first").unwrap();
        tree.insert(path("/a"), Node::text(0o644, "1"), "second").unwrap();
        let clashes = [Node::text(0o644, "2"), Node::text(0o600, "1"), Node::Symlink("b".into())];
        for node in clashes.into_iter().chain([Node::Directory(Meta::root(0o755))]) {
            let error = tree.insert(path("/a"), node, "third").unwrap_err();
            assert_eq!(error.to_string(), "`/a` comes from `first` and, different, from `third`");
        }
    }

    #[test]
    fn the_merged_usr_is_linked_where_it_is_used() {
        let mut tree = Tree::default();
        tree.insert(path("/bin/sh"), Node::text(0o755, ""), "dash").unwrap();
        tree.complete(&Tree::default()).unwrap();
        let listed: Vec<String> = tree.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(listed, ["/bin", "/usr", "/usr/bin", "/usr/bin/sh"]);
        assert_eq!(tree.get(&ImagePath::merged_link("bin")), Some(&Node::Symlink("usr/bin".into())));
        let mut upper = Tree::default();
        upper.insert(path("/bin/ls"), Node::text(0o755, ""), "coreutils").unwrap();
        upper.complete(&tree).unwrap();
        let listed: Vec<String> = upper.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(listed, ["/usr/bin/ls"], "what the layer below has is not repeated");
    }

    #[test]
    fn nothing_stands_below_what_is_no_directory() {
        let mut base = Tree::default();
        base.insert(path("/var/run"), Node::Symlink("/run".into()), "base-files").unwrap();
        base.complete(&Tree::default()).unwrap();
        let mut port = Tree::default();
        port.insert(path("/var/run/x"), Node::text(0o644, ""), "rootfs").unwrap();
        let error = port.complete(&base).unwrap_err();
        assert_eq!(error.to_string(), "`/var/run/x` from `rootfs` stands below `/var/run`, which is no directory");
    }

    #[test]
    fn setuid_and_setgid_are_taken_from_files_only() {
        let mut tree = Tree::default();
        tree.insert(path("/su"), Node::text(0o6755, ""), "x").unwrap();
        tree.insert(path("/local"), Node::Directory(Meta::root(0o2775)), "x").unwrap();
        assert_eq!(modes(&tree), [("/local".to_owned(), 0o2775), ("/su".to_owned(), 0o755)]);
    }
}
