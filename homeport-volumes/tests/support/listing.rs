//! A tree as a text, by calls of the standard library: a line for each entry, with everything about it that a restore has
//! to bring back. Shares no code with what it is used to test. For trees whose paths the system can open.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Every entry of `tree`, itself first, in the order of their paths' bytes.
///
/// Fields: path, kind, mode, uid, gid, modification time, then for files size, SHA-256 and whether
/// more than half is holes; target; device numbers; how many names and the first of them; flags; attributes.
pub(crate) fn listing(tree: &Path) -> String {
    let mut paths = vec![PathBuf::from(".")];
    let mut waiting = vec![PathBuf::from(".")];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(tree.join(&dir)).unwrap() {
            let path = dir.join(entry.unwrap().file_name());
            if fs::symlink_metadata(tree.join(&path)).unwrap().is_dir() {
                waiting.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let mut text = String::new();
    let mut firsts = HashMap::new();
    for path in &paths {
        line(tree, path, &mut firsts, &mut text);
    }
    text
}

fn line(tree: &Path, path: &Path, firsts: &mut HashMap<u64, String>, text: &mut String) {
    let full = tree.join(path);
    let meta = fs::symlink_metadata(&full).unwrap();
    let shown = path.as_os_str().as_bytes().escape_ascii().to_string().replace(' ', "\\x20");
    let kind = meta.file_type();
    let word = match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () if kind.is_char_device() => "character",
        () => "block",
    };
    let (mode, uid, gid) = (meta.mode() & 0o7777, meta.uid(), meta.gid());
    write!(text, "{shown} {word} {mode:04o} {uid} {gid} {} {}", meta.mtime(), meta.mtime_nsec()).unwrap();
    if kind.is_file() {
        let bytes = fs::read(&full).unwrap();
        let hash = hex(&Sha256::digest(&bytes));
        write!(text, " size {} sha256 {hash}", bytes.len()).unwrap();
        if meta.blocks() * 512 < meta.len() / 2 {
            text.push_str(" sparse");
        }
    }
    if kind.is_symlink() {
        let target = fs::read_link(&full).unwrap();
        write!(text, " target {}", target.as_os_str().as_bytes().escape_ascii()).unwrap();
    }
    if kind.is_char_device() || kind.is_block_device() {
        write!(text, " device {} {}", rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev())).unwrap();
    }
    if !kind.is_dir() && meta.nlink() > 1 {
        let first = firsts.entry(meta.ino()).or_insert_with(|| shown.clone());
        write!(text, " names {} first {first}", meta.nlink()).unwrap();
    }
    if kind.is_file() || kind.is_dir() {
        let flags = rustix::fs::ioctl_getflags(fs::File::open(&full).unwrap()).map_or(0, |flags| flags.bits() & 0xf8);
        if flags != 0 {
            write!(text, " flags {flags:x}").unwrap();
        }
    }
    for (name, value) in attributes(&full) {
        write!(text, " {}={}", name.escape_ascii(), hex(&value)).unwrap();
    }
    text.push('\n');
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn attributes(path: &Path) -> std::collections::BTreeMap<Vec<u8>, Vec<u8>> {
    let mut list = vec![0; 65_536];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap();
    let names = list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .filter(|name| !name.starts_with(b"trusted.homeport."))
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            (name.to_vec(), value[..length].to_vec())
        })
        .collect()
}
