//! Looks over an image before it is made: what must never be in one, and what would not run.
//! Never changes anything: it returns every fault.

use std::collections::BTreeSet;

use homeport_core::fault::Fault;
use homeport_core::unit::Mode;

use super::elf;
use super::path::ImagePath;
use super::tree::{Node, Tree};

/// Where the dynamic loader looks without a cache, which images of this kit do not have.
const LIBRARY_DIRS: [&str; 4] = ["usr/lib/x86_64-linux-gnu/", "usr/lib/aarch64-linux-gnu/", "usr/lib/", "usr/lib64/"];

/// Every fault of the whole image.
pub(super) fn inspect(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let libraries: BTreeSet<&str> = tree.iter().filter_map(|(path, _)| library_name(path.as_str())).collect();
    for (path, node) in tree.iter() {
        let Node::File(meta, bytes) = node else { continue };
        if holds_private_key(bytes) {
            let message = format!("`{path}` is a private key: whoever has the image would have it");
            let remedy = "leave it out; a port makes its keys at the first start, in a volume";
            faults.push(Fault::new("HP-KIT-120", path.to_string(), message).remedy(remedy));
        }
        if let Some(interpreter) = interpreter(meta.mode, bytes).filter(|path| tree.get(path).is_none()) {
            let message =
                format!("`{path}` from `{}` is run by `{interpreter}`, which is not in the image", tree.origin(path));
            let remedy = "do not leave out the package that brings it, or leave out this file as well";
            faults.push(Fault::new("HP-KIT-122", path.to_string(), message).remedy(remedy));
        }
        let Some(wants) = elf::wants(bytes) else { continue };
        if wants.own_path {
            continue;
        }
        for name in wants.needed.iter().filter(|name| !libraries.contains(name.as_str())) {
            let message = format!("`{path}` from `{}` wants `{name}`, which is not in the image", tree.origin(path));
            let remedy = "do not leave out the package that brings it, or leave out this file as well";
            faults.push(Fault::new("HP-KIT-121", path.to_string(), message).remedy(remedy));
        }
    }
    faults
}

/// The program that runs a script, if it is one that can be run.
fn interpreter(mode: Mode, file: &[u8]) -> Option<ImagePath> {
    let line = file.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let program = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    let path = ImagePath::from_recipe(std::str::from_utf8(program).ok()?).ok()?;
    (mode.get() & 0o111 != 0).then_some(path)
}

/// The name of something that stands right in a directory where the dynamic loader looks.
fn library_name(path: &str) -> Option<&str> {
    let name = LIBRARY_DIRS.iter().find_map(|dir| path.strip_prefix(dir))?;
    (!name.contains('/')).then_some(name)
}

/// Whether a file begins as a private key does in any of the usual text forms.
fn holds_private_key(bytes: &[u8]) -> bool {
    let Some(first) = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty()) else { return false };
    let first = first.trim_ascii();
    first.starts_with(b"-----BEGIN ") && first.ends_with(b"PRIVATE KEY-----")
        || first.starts_with(b"PuTTY-User-Key-File-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::build::Meta;
    use std::sync::Arc;

    fn tree(files: &[(&str, &[u8])]) -> Tree {
        let mut tree = Tree::default();
        for (path, bytes) in files {
            let node = Node::File(Meta::root(0o644), Arc::from(*bytes));
            tree.insert(ImagePath::from_recipe(path).unwrap(), node, "x").unwrap();
        }
        tree
    }

    #[test]
    fn private_keys_are_found_by_what_they_say_not_by_their_name() {
        let keys = tree(&[
            ("/a", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n"),
            ("/b", b"\n-----BEGIN RSA PRIVATE KEY-----\r\n"),
            ("/c", b"-----BEGIN PRIVATE KEY-----"),
            ("/d", b"PuTTY-User-Key-File-3: ssh-ed25519\n"),
            ("/host_key", b"-----BEGIN CERTIFICATE-----\n"),
            ("/script", b"#!/bin/sh\necho '-----BEGIN RSA PRIVATE KEY-----'\n"),
        ]);
        let found: Vec<String> = inspect(&keys).into_iter().map(|fault| fault.subject).collect();
        assert_eq!(found, ["/a", "/b", "/c", "/d"]);
    }

    #[test]
    fn a_script_without_its_interpreter_is_a_fault() {
        let mut image = tree(&[("/usr/bin/perl-like", b"")]);
        for (path, mode, text) in [
            ("/a", 0o755, "#!/bin/perl-like -w\n"),
            ("/b", 0o755, "#! /usr/bin/python3\nx"),
            ("/c", 0o644, "#!/usr/bin/python3\n"),
            ("/d", 0o755, "no script"),
        ] {
            image.insert(ImagePath::from_recipe(path).unwrap(), Node::text(mode, text), "x").unwrap();
        }
        let messages: Vec<String> = inspect(&image).into_iter().map(|fault| fault.message).collect();
        assert_eq!(messages, ["`/b` from `x` is run by `/usr/bin/python3`, which is not in the image"]);
    }

    #[test]
    fn a_program_without_its_libraries_is_a_fault() {
        let program = std::fs::read("/bin/true").unwrap();
        let faults = inspect(&tree(&[("/usr/bin/true", &program)]));
        assert_eq!(faults[0].message, "`/usr/bin/true` from `x` wants `libc.so.6`, which is not in the image");
        let with = tree(&[("/usr/bin/true", &program), ("/lib/x86_64-linux-gnu/libc.so.6", b"")]);
        assert_eq!(inspect(&with), []);
    }
}
