//! The shell port's image, built from its committed folder: twice the same, small, and without what no image may hold.
//!
//! The packages come from the cache that `cargo xtask build-port` uses; what it lacks is fetched from the archive.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test's helpers fail and tell as the test itself does")]

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use homeport_core::config::Need;
use homeport_sdk::kit::build::debs::{self, Cache, LockPolicy, Provided};
use homeport_sdk::kit::build::{self, Deb, Image, Parts, Source};

/// The most that the image may take, as an engine counts it: the bytes of its files.
const MAX_BYTES: u64 = 60_000_000;

/// As large as an init may be, so that the limit holds with a real one.
const INIT_BYTES: usize = 1_500_000;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn provide(source: &Source) -> Provided {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let cache = std::env::var_os("HOMEPORT_DEB_CACHE").map_or_else(|| target.join("debs"), PathBuf::from);
    let (packages, lock) = (source.recipe.packages.as_ref().unwrap(), source.lock.as_ref().unwrap());
    let mut tell = |notice| eprintln!("{notice:?}");
    debs::provide(packages, lock, &Cache::new(cache), LockPolicy::RefreshIfGone, &mut tell).unwrap()
}

fn build(source: &Source, provided: &Provided) -> Image {
    let debs = provided.lock.debs.iter().zip(&provided.files);
    let debs = debs.map(|(deb, bytes)| (deb.name.clone(), Deb::read(bytes).unwrap())).collect();
    build::assemble(Parts { source, debs, date: provided.lock.date, init: vec![0x90; INIT_BYTES] }).unwrap()
}

fn archive(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write(&mut bytes).unwrap();
    bytes
}

/// Everything in the image, the lowest layer first: header, path, link and content.
fn each_entry(image: &Image, mut look: impl FnMut(&tar::Header, &str, &[u8])) {
    for layer in image.layer_tars() {
        for entry in tar::Archive::new(layer).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let path = entry.path().unwrap().display().to_string();
            look(entry.header(), &path, &content);
        }
    }
}

#[test]
fn the_older_version_shares_all_layers_but_the_last_with_the_newest() {
    let folder = workspace().join("ports/shell");
    assert_eq!(Source::older_versions(&folder).unwrap(), ["1.0"]);
    let (newest, older) = (Source::read(&folder).unwrap(), Source::read_older(&folder, "1.0").unwrap());
    let provided = provide(&newest);
    let images = [build(&newest, &provided), build(&older, &provided)];
    assert_eq!(images.each_ref().map(Image::tag), ["homeport/shell:1.1.0", "homeport/shell:1.0.0"]);
    let [new, old] = images.each_ref().map(|image| image.layers().map(|layer| layer.digest).collect::<Vec<_>>());
    assert_eq!((new.len(), &new[..2]), (3, &old[..2]));
    assert_ne!(new[2], old[2], "each has its own manifest");
    for image in &images {
        let mut bytes = 0;
        each_entry(image, |_, _, content| bytes += content.len() as u64);
        assert!(bytes <= MAX_BYTES, "{} has {bytes} bytes: wanted at most {MAX_BYTES}", image.tag());
    }
}

#[test]
fn every_configuration_of_the_older_version_is_one_of_the_newer() {
    let folder = workspace().join("ports/shell");
    let newest = Source::read(&folder).unwrap().manifest;
    let older = Source::read_older(&folder, "1.0").unwrap().manifest;
    for (key, spec) in &older.config {
        assert_eq!(newest.config.get(key), Some(spec), "`{key}`");
    }
    for (key, spec) in newest.config.iter().filter(|(key, _)| !older.config.contains_key(*key)) {
        let since = spec.since.as_ref().map(ToString::to_string);
        assert_eq!((spec.need, since.as_deref()), (Need::Optional, Some("1.1.0")), "`{key}`");
    }
    assert_eq!(older.endpoints, newest.endpoints);
    assert!(newest.upgrade_from.unwrap().matches(&older.port.version));
}

#[test]
fn the_shell_image_is_the_same_twice_and_holds_nothing_that_it_must_not() {
    let folder = workspace().join("ports/shell");
    let source = Source::read(&folder).unwrap();
    let provided = provide(&source);
    let image = build(&source, &provided);

    // From another directory, through another path.
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(&folder, elsewhere.path().join("port")).unwrap();
    let other = build(&Source::read(&elsewhere.path().join("port")).unwrap(), &provided);
    assert_eq!(image.id(), other.id());
    assert!(archive(&image) == archive(&other), "the same folder gave two archives");

    let mut bytes = 0;
    let mut paths = Vec::new();
    each_entry(&image, |header, path, content| {
        bytes += content.len() as u64;
        paths.push(path.to_owned());
        let kind = header.entry_type();
        assert!(kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link(), "{path} is a {kind:?}");
        assert!(kind.is_dir() || header.mode().unwrap() & 0o6000 == 0, "{path} has setuid or setgid");
        assert_eq!(header.mtime().unwrap(), provided.lock.date.seconds(), "{path}");
        for key in ["-----BEGIN OPENSSH PRIVATE KEY", "-----BEGIN PRIVATE KEY", "-----BEGIN RSA PRIVATE KEY"] {
            let begins = content.trim_ascii_start().starts_with(key.as_bytes());
            assert!(!begins, "{path} is a private key");
        }
        assert!(!path.starts_with("etc/ssh/ssh_host_"), "{path} is a host key");
    });
    assert!(bytes <= MAX_BYTES, "the image has {bytes} bytes: wanted at most {MAX_BYTES}");

    let has = |path: &str| paths.iter().any(|found| found.trim_end_matches('/') == path);
    let wanted = [
        "usr/sbin/sshd",
        "usr/lib/openssh/sftp-server",
        "usr/bin/rsync",
        "usr/bin/bash",
        "usr/bin/zsh",
        "home/user",
        "var/lib/hostkeys",
        "etc/passwd",
        "port/init",
        "port/manifest.json",
        "var/lib/dpkg/status.d/openssh-server",
    ];
    for path in wanted {
        assert!(has(path), "the image has no /{path}");
    }
    for path in ["usr/bin/sudo", "usr/bin/perl", "usr/bin/dpkg", "usr/bin/apt-get", "etc/hostname", "etc/resolv.conf"] {
        assert!(!has(path), "the image has /{path}");
    }
}
