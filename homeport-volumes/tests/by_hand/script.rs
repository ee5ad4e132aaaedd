//! `spec/restore.sh`, by the shell that Debian calls `sh`.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use homeport_volumes::store::Compression;

use crate::keep;
use crate::odd_tree::{self, Scratch};

pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/restore.sh")
}

/// Runs it; `words` come before store, snapshot and target.
pub(crate) fn run(words: &[&str], store: &Path, snapshot: &Path, target: &Path) -> Output {
    Command::new("sh").arg(path()).args(words).arg(store).arg(snapshot).arg(target).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory whose path is longer than any that the system opens, with files and hard links at its end.
fn make_deep(tree: &Path) {
    let levels = "name=$(printf '%0250d' 0); i=0; while [ $i -lt 20 ]; do mkdir $name; cd -P $name; i=$((i + 1)); done; \
                  echo bottom >file; ln file other; ln -s file link";
    let top = tree.join("deep");
    fs::create_dir(&top).unwrap();
    let status = Command::new("sh").args(["-euc", levels]).current_dir(&top).status().unwrap();
    assert!(status.success());
}

/// G15: everything that backups lose comes back without `HomePort`, in both forms.
#[test]
fn a_shell_restores_everything_that_backups_lose() {
    let scratch = Scratch::new(&std::env::temp_dir());
    let tree = scratch.dir("tree");
    // The kernel's own answer to `getcwd` ends at 4096 bytes, so 5000 levels take a shell minutes.
    odd_tree::make_but(&tree, &["deep"]);
    make_deep(&tree);
    let other = scratch.dir("other");
    fs::write(other.join("one"), "of another volume").unwrap();
    for (name, compression) in [("zstd", Compression::Zstd), ("none", Compression::None)] {
        let at = scratch.0.join(name);
        let store = keep::create(&at, compression);
        let head = keep::snapshot(&store, &[("home", &tree), ("other", &other)]);
        let target = scratch.dir(&format!("from-{name}")).join("target");
        let _unlock = Unlock(target.join("home"));
        let output = run(&["--devices"], &at, &keep::file(&at, &head), &target);
        assert!(output.status.success(), "{name}: {}", said(&output));
        odd_tree::assert_same(&tree, &target.join("home"));
        odd_tree::assert_same(&other, &target.join("other"));
        let mut names: Vec<_> = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["home", "other"], "{name}: nothing of the script's own stays");
    }
}

/// Takes the flags off a restored tree, so that it can be removed.
struct Unlock(PathBuf);

impl Drop for Unlock {
    fn drop(&mut self) {
        odd_tree::unlock(&self.0);
    }
}

/// A store with two small files in it.
struct Small {
    scratch: Scratch,
    store: PathBuf,
    snapshot: PathBuf,
}

impl Small {
    fn new() -> Self {
        let scratch = Scratch::new(&std::env::temp_dir());
        let tree = scratch.dir("tree");
        fs::write(tree.join("one"), "first").unwrap();
        fs::write(tree.join("two"), [7; 5000]).unwrap();
        rustix::fs::lsetxattr(tree.join("one"), "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
        drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap());
        let store = scratch.0.join("store");
        let head = keep::snapshot(&keep::create(&store, Compression::None), &[("home", &tree)]);
        Self { snapshot: keep::file(&store, &head), scratch, store }
    }

    fn only_file(&self, room: &str, end: &str) -> PathBuf {
        let files = fs::read_dir(self.store.join(room)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// Changes one byte and gives back what it was.
fn flip(path: &Path, at: u64) -> u8 {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], at).unwrap();
    byte[0]
}

#[test]
fn a_shell_restores_nothing_from_what_is_damaged() {
    let small = Small::new();
    let (pack, entries) = (small.only_file("packs", ".tar"), small.only_file("entries", ".entries"));
    let text = fs::read(&pack).unwrap();
    let content = text.windows(5).position(|bytes| bytes == b"first").unwrap() as u64;
    let member = text.windows(64).position(|bytes| bytes.iter().all(u8::is_ascii_hexdigit)).unwrap() as u64;
    let rows = [
        (&small.snapshot, 0, "no file of STORE/snapshots, or of another version"),
        (&small.snapshot, 30, "damaged: "),
        (&small.snapshot, fs::metadata(&small.snapshot).unwrap().len() - 2, "damaged: "),
        (&entries, 25, "damaged: "),
        (&pack, content, "missing or damaged: the above"),
        (&pack, member + 1, "missing or damaged: the above"),
    ];
    for (n, (file, at, words)) in rows.into_iter().enumerate() {
        let before = flip(file, at);
        let output = run(&[], &small.store, &small.snapshot, &small.scratch.0.join(format!("target-{n}")));
        assert_eq!(output.status.code(), Some(1), "{n}: {}", said(&output));
        assert!(said(&output).contains(words), "{n}: {}", said(&output));
        fs::File::options().write(true).open(file).unwrap().write_all_at(&[before], at).unwrap();
    }
    for (n, file) in [&pack, &entries].into_iter().enumerate() {
        let away = small.scratch.0.join("away");
        fs::rename(file, &away).unwrap();
        let output = run(&[], &small.store, &small.snapshot, &small.scratch.0.join(format!("without-{n}")));
        assert!(!output.status.success());
        fs::rename(&away, file).unwrap();
    }
    let output = run(&[], &small.store, &small.snapshot, &small.scratch.0.join("whole"));
    assert!(output.status.success(), "{}", said(&output));
    odd_tree::assert_same(&small.scratch.0.join("tree"), &small.scratch.0.join("whole/home"));
}

#[test]
fn a_shell_names_what_it_cannot_make_and_does_not_say_that_all_is_there() {
    let small = Small::new();
    // All programs that it uses, but not the two that it can do without.
    let bin = small.scratch.dir("bin");
    let wanted = "awk cat chattr chmod chown comm cp cut dash dd find grep head id install ln mkdir mkfifo mknod mv rm sed \
                  sha256sum sort tac tail tar touch truncate xargs zstd";
    for program in wanted.split_whitespace() {
        let places = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(|dir| Path::new(dir).join(program));
        symlink(places.iter().find(|place| place.exists()).unwrap(), bin.join(program)).unwrap();
    }
    let target = small.scratch.0.join("target");
    let output = Command::new("/bin/sh")
        .arg(path())
        .args([&small.store, &small.snapshot, &target])
        .env("PATH", &bin)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    for left in ["left out: attribute user.note of ./home/one", "left out: socket home/socket"] {
        assert!(said(&output).contains(left), "{left}: {}", said(&output));
    }
    assert_eq!(fs::read(target.join("home/one")).unwrap(), b"first");
}

#[test]
fn a_shell_makes_devices_only_where_it_is_told_to_and_replaces_nothing() {
    let scratch = Scratch::new(&std::env::temp_dir());
    let tree = scratch.dir("tree");
    odd_tree::make_but(&tree, &names_but("device-character"));
    let store = scratch.0.join("store");
    let head = keep::snapshot(&keep::create(&store, Compression::Zstd), &[("home", &tree)]);
    let file = keep::file(&store, &head);
    let output = run(&[], &store, &file, &scratch.0.join("target"));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("device-character/device"), "{output:?}");
    assert!(!scratch.0.join("target/home").exists());
    let output = run(&["--devices"], &store, &file, &scratch.0.join("target"));
    assert_eq!(output.status.code(), Some(1), "what is there is not replaced: {}", said(&output));
}

/// All oddities but one.
fn names_but(name: &str) -> Vec<&'static str> {
    odd_tree::ODDITIES.iter().map(|odd| odd.name).filter(|odd| *odd != name).collect()
}

#[test]
fn the_script_is_short_and_has_no_fault_that_shellcheck_knows() {
    let text = fs::read_to_string(path()).unwrap();
    assert!(text.lines().count() <= 60 && text.lines().all(|line| line.len() <= 120));
    let output = Command::new("shellcheck").args(["--shell=dash", "--severity=style"]).arg(path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
