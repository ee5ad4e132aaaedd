//! Every name below a directory with all that it is and has: two equal pictures mean that nothing was changed.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// All entries below `top`, `top` itself as `.`: type, mode, owner, inode, times of modification, device, links, extended
/// attributes and content. Whatever stands in `left_out`, relative to `top`, is not looked into.
pub(crate) fn full(top: &Path, left_out: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut todo = vec![top.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(top).unwrap();
        if left_out.iter().any(|out| name == Path::new(out)) {
            continue;
        }
        let content = if meta.is_file() { crc(&fs::read(&path).unwrap()) } else { 0 };
        let target = fs::read_link(&path).unwrap_or_default();
        lines.push(format!(
            "{} {:o} {}:{} ino {} {}.{:09} dev {} links {} size {} content {content:016x} -> {} {}",
            name.as_os_str().as_bytes().escape_ascii(),
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.ino(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.rdev(),
            meta.nlink(),
            if meta.is_file() { meta.len() } else { 0 },
            target.display(),
            xattrs(&path),
        ));
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

/// The extended attributes but HomePort's own, in order; none where the file system has none.
pub(crate) fn xattrs(path: &Path) -> String {
    let mut list = vec![0; 65536];
    let length = match rustix::fs::llistxattr(path, &mut list[..]) {
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        listed => listed.unwrap(),
    };
    let mut found: Vec<String> = list[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !name.starts_with(b"trusted.homeport."))
        .map(|name| {
            let mut value = vec![0; 65536];
            let read = rustix::fs::lgetxattr(path, CString::new(name).unwrap(), &mut value[..]).unwrap();
            format!("{}={}", name.escape_ascii(), value[..read].escape_ascii())
        })
        .collect();
    found.sort();
    found.join(",")
}

/// FNV-1a: enough to notice a change that nobody makes on purpose.
fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
