//! Deploys that are refused because of a volume, each with its exact message, on real disks.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use super::disk::Disk;
use super::fixture::web;
use super::refused_config::refuse;
use super::world::World;

fn volume(path: &Path) -> String {
    format!("site={}", path.display())
}

/// Deploys on `path`, writes a file, and removes the instance again: the volume stays.
fn used(world: &World, image: &str, path: &Path) {
    world.ok(&["deploy", image, "--name", "site", "--volume", &volume(path), "--route", "http=127.0.0.1:random"]);
    world.ok(&["exec", "site", "--user", "1000:1000", "--", "/bin/busybox", "touch", "/srv/site/precious"]);
    world.ok(&["remove", "site"]);
    assert!(path.join("data/precious").exists());
}

fn deploy_args<'a>(image: &'a str, volume: &'a str) -> [&'a str; 8] {
    ["deploy", image, "--name", "site", "--volume", volume, "--route", "http=127.0.0.1:random"]
}

#[test]
fn the_path_does_not_exist() {
    let image = web("t-missing");
    let world = World::new();
    let path = volume(&world.dir().join("typo"));
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&image.name, &path)));
    assert!(!world.dir().join("typo").exists(), "nothing was made");
}

#[test]
fn the_disk_is_not_mounted() {
    let image = web("t-unmounted");
    let world = World::new();
    let disk = Disk::new(world.dir(), "disk");
    let path = disk.point().join("site");
    fs::create_dir(&path).unwrap();
    used(&world, &image.name, &path);
    disk.unmount();
    // Worse than a missing path: an empty directory of the same name where the disk should be.
    fs::create_dir(&path).unwrap();
    let argument = volume(&path);
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&image.name, &argument)));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "nothing was written below the mount point");
    disk.mount();
    world.ok(&deploy_args(&image.name, &argument));
    assert!(path.join("data/precious").exists());
    world.ok(&["remove", "site"]);
}

#[test]
fn the_disk_is_read_only() {
    let image = web("t-readonly");
    let world = World::new();
    let disk = Disk::new(world.dir(), "disk");
    let path = disk.point().join("site");
    fs::create_dir(&path).unwrap();
    used(&world, &image.name, &path);
    disk.read_only();
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&image.name, &volume(&path))));
}

#[test]
fn the_data_belongs_to_somebody_else() {
    let image = web("t-owner");
    let world = World::new();
    let path = world.dir().join("site");
    fs::create_dir(&path).unwrap();
    used(&world, &image.name, &path);
    chown(path.join("data"), Some(4711), Some(4711)).unwrap();
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&image.name, &volume(&path))));
}

#[test]
fn the_volume_is_another_instances() {
    let image = web("t-instance");
    let world = World::new();
    let path = world.dir().join("site");
    fs::create_dir(&path).unwrap();
    used(&world, &image.name, &path);
    let argument = volume(&path);
    insta::assert_snapshot!(refuse(&world, 1, &["deploy", &image.name, "--name", "other", "--volume", &argument]));
}

#[test]
fn the_volume_is_another_ports() {
    let (one, other) = (web("t-port-one"), web("t-port-two"));
    let world = World::new();
    let path = world.dir().join("site");
    fs::create_dir(&path).unwrap();
    used(&world, &one.name, &path);
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&other.name, &volume(&path))));
}

#[test]
fn there_is_nothing_where_data_is_expected() {
    let image = web("t-blank");
    let world = World::new();
    let path = world.dir().join("site");
    fs::create_dir(&path).unwrap();
    used(&world, &image.name, &path);
    fs::remove_file(path.join("data/precious")).unwrap();
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&image.name, &volume(&path))));
}

#[test]
fn there_is_something_where_nothing_is_expected() {
    let image = web("t-foreign");
    let world = World::new();
    let path = world.dir().join("site");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("diary.txt"), "mine").unwrap();
    insta::assert_snapshot!(refuse(&world, 1, &deploy_args(&image.name, &volume(&path))));
    assert_eq!(fs::read_to_string(path.join("diary.txt")).unwrap(), "mine");
}
