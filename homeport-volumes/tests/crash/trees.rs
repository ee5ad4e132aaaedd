//! Owns what is known of the trees of a volume at a promise, and what must then be found after a cut: live is the tree
//! from before or the one from after, and none that was ever live is lost. Never changes anything.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::picture::full;
use crate::stage::run;

/// Everything in a tree: names, inodes, owners, modes, times, attributes and content.
pub(crate) type Picture = Vec<String>;

/// Everything but when the topmost directory was changed: XFS takes its moving elsewhere for a change.
pub(crate) fn picture(top: &Path) -> Picture {
    let mut picture = full(top, &[]);
    for line in picture.iter_mut().filter(|line| line.starts_with(' ')) {
        *line =
            line.split(' ').enumerate().filter(|(at, _)| *at != 5).map(|(_, word)| word).collect::<Vec<_>>().join(" ");
    }
    picture
}

/// Everything that is the same on another file system: no inode, and no number of links of directories.
pub(crate) fn portable(top: &Path) -> Picture {
    let line = |line: String| {
        let (name_mode_owner, rest) = line.split_once(" ino ").unwrap();
        let (_, rest) = rest.split_once(' ').unwrap();
        let (times, rest) = rest.split_once(" links ").unwrap();
        let (links, rest) = rest.split_once(' ').unwrap();
        let mode = name_mode_owner.rsplit(' ').nth(1).unwrap();
        let is_directory = mode.len() == 5 && mode.starts_with('4');
        format!("{name_mode_owner} {times} links {} {rest}", if is_directory { "?" } else { links })
    };
    full(top, &[]).into_iter().map(line).collect()
}

/// The trees of one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trees {
    /// What is at `data/`.
    pub(crate) live: Picture,
    /// What stands beside it, in the trash or on its way there or back.
    pub(crate) beside: Vec<Picture>,
}

impl Trees {
    /// Looks at the volume in the directory `volume`.
    pub(crate) fn of(volume: &Path) -> Self {
        let mut beside = Vec::new();
        for area in ["trash", "staging"] {
            let Ok(list) = fs::read_dir(volume.join(".homeport").join(area)) else { continue };
            let trees = list.map(|entry| entry.unwrap().path().join("data")).filter(|tree| tree.exists());
            beside.extend(trees.map(|tree| picture(&tree)));
        }
        Self { live: picture(&volume.join("data")), beside }
    }

    fn has(&self, picture: &Picture) -> bool {
        self.live == *picture || self.beside.contains(picture)
    }
}

/// What was promised of a volume's trees, one after the other.
#[derive(Debug)]
pub(crate) struct Promises {
    /// The live tree at the beginning and after each mark.
    live: Vec<Picture>,
    /// What must be found from each mark on.
    kept: Vec<Vec<Picture>>,
}

impl Promises {
    /// Nothing is promised yet, but the tree that is live.
    pub(crate) fn new(volume: &Path) -> Self {
        let live = Trees::of(volume).live;
        Self { kept: vec![vec![live.clone()]], live: vec![live] }
    }

    /// A promise: what is live now stays until the next one. Where `keeps`, the tree that was live until now was taken out
    /// of use by it, and must not be lost from now on.
    pub(crate) fn next(&mut self, volume: &Path, keeps: bool) {
        let mut kept = self.kept.last().unwrap().clone();
        let before = self.live.last().unwrap();
        if keeps && !kept.contains(before) {
            kept.push(before.clone());
        }
        self.live.push(Trees::of(volume).live);
        self.kept.push(kept);
    }

    /// Whether these trees may be there after so many promises.
    pub(crate) fn judge(&self, trees: &Trees, promises: usize) -> Result<(), String> {
        let allowed = &self.live[promises..self.live.len().min(promises + 2)];
        if !allowed.contains(&trees.live) {
            return Err(format!("live is neither the old tree nor the new one: {:#?}", trees.live));
        }
        let lost: Vec<_> = self.kept[promises].iter().filter(|picture| !trees.has(picture)).collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("a tree is lost: {lost:#?}")) }
    }
}

/// Fills a directory with one of everything, for a user.
pub(crate) fn furnish(data: &Path, word: &str) {
    fs::create_dir_all(data.join("cur/deep/er")).unwrap();
    fs::write(data.join("cur/letter"), word.repeat(100)).unwrap();
    fs::hard_link(data.join("cur/letter"), data.join("cur/deep/same")).unwrap();
    symlink("/nowhere", data.join("link")).unwrap();
    run("mkfifo", &[data.join("pipe").to_str().unwrap()]);
    run("setfattr", &["-n", "user.note", "-v", word, data.join("cur/letter").to_str().unwrap()]);
    fs::write(data.join(std::ffi::OsStr::from_bytes(b"not \xff utf8\n")), "odd").unwrap();
    fs::write(data.join("large"), word.repeat(20_000)).unwrap();
    fs::set_permissions(data.join("cur/deep"), fs::Permissions::from_mode(0o500)).unwrap();
    run("chown", &["-R", "-h", "1000:1000", data.to_str().unwrap()]);
}
