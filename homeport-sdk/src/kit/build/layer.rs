//! Writes a tree as the tar of a layer: the same tree gives the same bytes.
//! Never writes a name, a time or an owner that is not in the tree.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::date::Date;
use super::path::ImagePath;
use super::tree::{Meta, Node, Tree};

/// The tar of a tree, with everything dated `date`. Files that are one allocation become hard links.
pub(super) fn write(tree: &Tree, date: Date) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.mode(tar::HeaderMode::Deterministic);
    let mut first: BTreeMap<*const u8, &ImagePath> = BTreeMap::new();
    for (path, node) in tree.iter() {
        match node {
            Node::Directory(meta) => {
                let mut header = header(tar::EntryType::Directory, *meta, date);
                builder.append_data(&mut header, format!("{}/", path.as_str()), io::empty())?;
            }
            Node::Symlink(target) => {
                let mut header = header(tar::EntryType::Symlink, Meta::root(0o777), date);
                builder.append_link(&mut header, path.as_str(), target)?;
            }
            Node::File(meta, bytes) => {
                let linked = (Arc::strong_count(bytes) > 1 && !bytes.is_empty()).then(|| bytes.as_ptr());
                if let Some(target) = linked.and_then(|at| first.get(&at)) {
                    let mut header = header(tar::EntryType::Link, *meta, date);
                    builder.append_link(&mut header, path.as_str(), target.as_str())?;
                    continue;
                }
                first.extend(linked.map(|at| (at, path)));
                let mut header = header(tar::EntryType::Regular, *meta, date);
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path.as_str(), &bytes[..])?;
            }
        }
    }
    builder.into_inner()
}

fn header(kind: tar::EntryType, meta: Meta, date: Date) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode.get());
    header.set_uid(meta.uid.get().into());
    header.set_gid(meta.gid.get().into());
    header.set_mtime(date.seconds());
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn path(text: &str) -> ImagePath {
        ImagePath::from_recipe(text).unwrap()
    }

    #[test]
    fn a_layer_is_sorted_dated_and_nameless_and_keeps_hard_links() {
        let date: Date = "2026-11-23".parse().unwrap();
        let shared = Node::text(0o755, "same");
        let long = format!("/usr/share/{}/{}", "d".repeat(90), "f".repeat(120));
        let mut tree = Tree::default();
        for (at, node) in [
            ("/usr/bin/git-upload-pack", shared.clone()),
            ("/usr/bin/git", shared),
            ("/usr/bin/other", Node::text(0o644, "same")),
            ("/etc/passwd", Node::Symlink("/run/shell/passwd".into())),
            (long.as_str(), Node::text(0o600, "x")),
        ] {
            tree.insert(path(at), node, "test").unwrap();
        }
        tree.complete(&Tree::default()).unwrap();
        let bytes = write(&tree, date).unwrap();
        assert_eq!(write(&tree.clone(), date).unwrap(), bytes, "the same tree gives the same bytes");
        let mut seen = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), date.seconds());
            assert_eq!(header.username_bytes().unwrap_or_default(), b"");
            assert_eq!(header.groupname_bytes().unwrap_or_default(), b"");
            let link = entry.link_name().unwrap().map(|link| format!(" -> {}", link.display()));
            seen.push(format!("{}{} {content}", entry.path().unwrap().display(), link.unwrap_or_default()));
        }
        let wanted = [
            "bin -> usr/bin ".to_owned(),
            "etc/ ".to_owned(),
            "etc/passwd -> /run/shell/passwd ".to_owned(),
            "usr/ ".to_owned(),
            "usr/bin/ ".to_owned(),
            "usr/bin/git same".to_owned(),
            "usr/bin/git-upload-pack -> usr/bin/git ".to_owned(),
            "usr/bin/other same".to_owned(),
            "usr/share/ ".to_owned(),
            format!("usr/share/{}/ ", "d".repeat(90)),
            format!("{} x", &long[1..]),
        ];
        assert_eq!(seen, wanted);
    }
}
