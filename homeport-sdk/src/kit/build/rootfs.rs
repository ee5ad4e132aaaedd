//! Reads the port's own files, `rootfs/`, into a tree.
//! Never takes owners or times from the author's disk: only whether a file is executable, which version control keeps.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::error::BuildError;
use super::path::ImagePath;
use super::tree::{Meta, Node, Tree};

/// Reads the directory; an absent one is an empty tree.
pub(super) fn read(dir: &Path) -> Result<Tree, BuildError> {
    let mut tree = Tree::default();
    if dir.is_dir() {
        walk(dir, None, &mut tree)?;
    }
    Ok(tree)
}

fn walk(dir: &Path, above: Option<&ImagePath>, tree: &mut Tree) -> Result<(), BuildError> {
    let listed = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = listed.map_err(|source| BuildError::io("read", dir, source))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file = entry.path();
        let name = ImagePath::from_archive(entry.file_name().as_encoded_bytes())
            .map_err(|source| BuildError::RootfsName { file: file.clone(), source })?;
        let Some(name) = name else { continue };
        // The first part of a path decides whether it belongs into the merged /usr; deeper ones are joined as they are.
        let path = match above {
            None => name,
            Some(above) => above.join(&entry.file_name().to_string_lossy()),
        };
        let kind = entry.file_type().map_err(|source| BuildError::io("look at", &file, source))?;
        let node = if kind.is_dir() {
            walk(&file, Some(&path), tree)?;
            Node::Directory(Meta::root(0o755))
        } else if kind.is_symlink() {
            let target = fs::read_link(&file).map_err(|source| BuildError::io("read", &file, source))?;
            Node::Symlink(target.to_string_lossy().into_owned())
        } else if kind.is_file() {
            let bytes = fs::read(&file).map_err(|source| BuildError::io("read", &file, source))?;
            let meta = entry.metadata().map_err(|source| BuildError::io("look at", &file, source))?;
            let executable = meta.permissions().mode() & 0o100 != 0;
            Node::File(Meta::root(if executable { 0o755 } else { 0o644 }), Arc::from(bytes))
        } else {
            return Err(BuildError::RootfsKind { file });
        };
        tree.insert(path, node, "rootfs")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_executable_bit_comes_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        for (name, mode) in [("etc/a", 0o600), ("etc/b", 0o4775), ("bin/x", 0o755)] {
            fs::write(dir.path().join(name), name).unwrap();
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("/run/x", etc.join("link")).unwrap();
        let tree = read(dir.path()).unwrap();
        let listed: Vec<(String, Node)> = tree.iter().map(|(path, node)| (path.to_string(), node.clone())).collect();
        let wanted = [
            ("/etc", Node::Directory(Meta::root(0o755))),
            ("/etc/a", Node::text(0o644, "etc/a")),
            ("/etc/b", Node::text(0o755, "etc/b")),
            ("/etc/link", Node::Symlink("/run/x".to_owned())),
            ("/usr/bin", Node::Directory(Meta::root(0o755))),
            ("/usr/bin/x", Node::text(0o755, "bin/x")),
        ];
        assert_eq!(listed, wanted.map(|(path, node)| (path.to_owned(), node)));
        assert_eq!(read(&dir.path().join("absent")).unwrap(), Tree::default());
    }

    #[test]
    fn a_socket_or_pipe_in_rootfs_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        let error = read(dir.path()).unwrap_err();
        assert!(matches!(error, BuildError::RootfsKind { .. }), "{error}");
    }
}
