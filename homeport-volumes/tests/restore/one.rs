//! Taking one file or directory out of a snapshot: what it is, that nothing is replaced, and that nothing is left.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use homeport_core::fault::Advice as _;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, RestoreError, take_out};
use homeport_volumes::tree::{FileFlags, TreePath};

use crate::memory::{Memory, meta, path};

fn out(source: &Memory, chosen: &str, to: &Path) -> Result<u64, RestoreError> {
    let chosen = if chosen == "." { TreePath::root() } else { path(chosen) };
    take_out(source, &chosen, to, Devices::Refuse, &Silent).map(|built| built.entries)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn one_file_or_one_directory_comes_out_as_it_was() {
    let snapshot = Memory::new()
        .file("a", b"outside")
        .dir("b")
        .file("b/1", b"letter")
        .dir("b/c")
        .hard_link("b/c/a1", "a")
        .hard_link("b/c/a2", "a")
        .hard_link("b/c/one", "b/1")
        .pieces("b/d", 5000, &[(10, b"x"), (4000, b"yy")])
        .dir("bb")
        .file("bb/no", b"not this");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);

    assert_eq!(out(&snapshot, "b/1", &at("letter")).unwrap(), 1);
    let meta = fs::metadata(at("letter")).unwrap();
    assert_eq!(
        (fs::read(at("letter")).unwrap(), meta.uid(), meta.mtime_nsec()),
        (b"letter".to_vec(), 1000, 123_456_789)
    );

    assert_eq!(out(&snapshot, "b", &at("folder")).unwrap(), 7);
    assert_eq!(names(&at("folder")), ["1", "c", "d"]);
    let inode = |name: &str| fs::metadata(at("folder").join(name)).unwrap().ino();
    assert_eq!(fs::read(at("folder/c/a2")).unwrap(), b"outside");
    assert_eq!(inode("c/a1"), inode("c/a2"), "two names of one file outside");
    assert_eq!(inode("1"), inode("c/one"));
    assert_eq!(fs::metadata(at("folder/c/a1")).unwrap().nlink(), 2);
    assert_eq!(fs::read(at("folder/d")).unwrap()[4000..4003], *b"yy\0");

    assert_eq!(out(&snapshot, "b/c/a2", &at("link")).unwrap(), 1, "a name of a file that stands elsewhere");
    assert_eq!(fs::read(at("link")).unwrap(), b"outside");
    assert_eq!(out(&snapshot, ".", &at("everything")).unwrap(), 11);
    assert_eq!(names(&at("everything")), ["a", "b", "bb"]);
    assert_eq!(names(dir.path()), ["everything", "folder", "letter", "link"], "nothing else is left");
}

#[test]
fn nothing_is_ever_replaced_and_nothing_is_left_of_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("empty")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
    let mut snapshot = Memory::new().file("a", b"a").dir("d").null_device("d/null").file("e", b"to be lost");
    snapshot.objects.remove(&homeport_volumes::store::ObjectId::of(b"to be lost"));
    let code = |chosen: &str, to: &Path| out(&snapshot, chosen, to).unwrap_err().code();
    for there in ["file", "empty", "dangling"] {
        assert_eq!(code("a", &at(there)), "HP-RST-013", "{there}");
    }
    assert_eq!(code("b", &at("new")), "HP-RST-014");
    assert_eq!(code("d", &at("new")), "HP-RST-021", "a device node");
    assert_eq!(code("e", &at("new")), "HP-STO-030", "an object that is gone");
    assert_eq!(code("a", &at("no/such/new")), "HP-RST-015");
    for bad in [Path::new("relative"), Path::new("/"), Path::new("/tmp/..")] {
        assert_eq!(code("a", bad), "HP-RST-002", "{}", bad.display());
    }
    assert_eq!(names(dir.path()), ["dangling", "empty", "file"]);
    assert_eq!(fs::read(at("file")).unwrap(), b"mine");
}

#[test]
fn a_directory_that_cannot_be_changed_is_taken_out_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixed = meta(0o755);
    fixed.attributes.flags = FileFlags::IMMUTABLE;
    let snapshot = Memory::new()
        .entry("d", fixed.clone(), homeport_volumes::tree::Kind::Directory)
        .file_with("d/f", fixed, b"fixed");
    let to = dir.path().join("out");
    assert_eq!(out(&snapshot, "d", &to).unwrap(), 2);
    let changed = fs::write(to.join("f"), "x").unwrap_err();
    assert_eq!(changed.raw_os_error(), Some(1));
    fs::write(to.join("g"), "x").unwrap_err();
    crate::stand::run("chattr", &["-R", "-i", to.to_str().unwrap()]);
    assert_eq!(names(dir.path()), ["out"]);
}
