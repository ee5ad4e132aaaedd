//! Opening a volume to read from it while its container has it: what refuses that, and what does not.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::disks::on_a_disk;
use crate::stand::{Stand, picture, run};
use homeport_core::unit::{Bytes, Format, Inodes};
use homeport_volumes::{Known, Request, Reserve, VolumeError, check_readable};

fn codes(stand: &Stand, request: &Request, known: &Known) -> Vec<&'static str> {
    match check_readable(&stand.machine, request, known) {
        Err(VolumeError::Refused(faults)) => faults.iter().map(|fault| fault.code).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_hinders_a_start_does_not_hinder_reading() {
    let stand = Stand::new();
    let (disk, request, known) = on_a_disk(&stand, "/home");
    let point = stand.at("disk");
    let held = stand.ready(&request, Some(&known)).begin_use().unwrap();
    check_readable(&stand.machine, &request, &known).unwrap();
    drop(held);
    run("chown", &["4711:4711", point.join("home/data").to_str().unwrap()]);
    run("mount", &["-o", "remount,ro", point.to_str().unwrap()]);
    let hopeless = Request {
        in_use_by: Some("container x".into()),
        format: Format::new(9),
        min_format: Format::new(9),
        reserve: Reserve { bytes: Bytes::new(1 << 50), inodes: Inodes::new(1 << 40) },
        ..request.clone()
    };
    let refused = stand.codes(&hopeless, Some(&known));
    assert_eq!(refused, ["HP-VOL-006", "HP-VOL-008", "HP-VOL-009", "HP-VOL-010", "HP-VOL-010", "HP-VOL-011"]);

    let before = picture(&point);
    let readable = check_readable(&stand.machine, &hopeless, &known).unwrap();
    assert_eq!(readable.owner().uid.get(), 4711);
    assert_eq!(readable.marker().uuid, known.uuid);
    let mut text = String::new();
    let letter = rustix::fs::openat(readable.data(), "letter", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    fs::File::from(letter.unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "dear reader");
    assert_eq!(readable.still().unwrap().uuid, known.uuid);
    assert_eq!(picture(&point), before);
    drop((readable, disk));
}

#[test]
fn what_is_not_the_known_volume_is_not_read() {
    type Damage = fn(&Path);
    let rows: [(&str, Damage, &[&str]); 7] = [
        ("gone", |v| fs::remove_dir_all(v).unwrap(), &["HP-VOL-001"]),
        ("marker gone", |v| fs::remove_file(v.join(".homeport/marker.json")).unwrap(), &["HP-VOL-003"]),
        ("marker damaged", |v| fs::write(v.join(".homeport/marker.json"), "{").unwrap(), &["HP-VOL-003"]),
        ("data emptied", |v| fs::remove_file(v.join("data/letter")).unwrap(), &["HP-VOL-005"]),
        ("data gone", |v| fs::rename(v.join("data"), v.join("elsewhere")).unwrap(), &["HP-VOL-005"]),
        (
            "migration interrupted",
            |v| {
                let text = fs::read_to_string(v.join(".homeport/marker.json")).unwrap();
                let uuid = text.split("\"uuid\": \"").nth(1).unwrap().split('"').next().unwrap();
                run(
                    "setfattr",
                    &["-n", "trusted.homeport.id", "-v", &format!("{uuid}:2"), v.join("data").to_str().unwrap()],
                );
            },
            &["HP-VOL-006"],
        ),
        (
            "blank",
            |v| {
                fs::remove_dir_all(v).unwrap();
                fs::create_dir(v).unwrap();
            },
            &["HP-VOL-005"],
        ),
    ];
    for (name, damage, wanted) in rows {
        let stand = Stand::new();
        fs::create_dir(stand.at("vol")).unwrap();
        let request = stand.request("vol");
        let known = stand.filled(&request);
        damage(&stand.at("vol"));
        let before = picture(stand.dir.path());
        assert_eq!(codes(&stand, &request, &known), wanted, "{name}");
        assert_eq!(picture(stand.dir.path()), before, "{name}");
    }
}

#[test]
fn an_unmounted_disk_is_not_read_as_an_empty_volume() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "");
    disk.unmount();
    assert_eq!(codes(&stand, &request, &known), ["HP-VOL-002"]);
}

#[test]
fn what_changed_while_it_was_read_is_noticed() {
    let stand = Stand::new();
    fs::create_dir(stand.at("vol")).unwrap();
    let request = stand.request("vol");
    let known = stand.filled(&request);
    let open = || check_readable(&stand.machine, &request, &known).unwrap();
    let vol = stand.at("vol");

    let readable = open();
    drop(stand.ready(&request, Some(&known)).begin_use().unwrap());
    assert_eq!(readable.still().unwrap().generation, known.generation.next(), "a restart is no other volume");
    fs::write(vol.join("data/more"), "x").unwrap();
    readable.still().unwrap();

    let aside = stand.at("aside");
    fs::rename(vol.join("data"), &aside).unwrap();
    fs::create_dir(vol.join("data")).unwrap();
    assert!(matches!(readable.still(), Err(VolumeError::Changed { .. })));
    fs::remove_dir(vol.join("data")).unwrap();
    fs::rename(&aside, vol.join("data")).unwrap();
    readable.still().unwrap();

    fs::rename(&vol, &aside).unwrap();
    assert!(matches!(readable.still(), Err(VolumeError::Changed { .. })));
    run("cp", &["-a", aside.to_str().unwrap(), vol.to_str().unwrap()]);
    assert!(matches!(readable.still(), Err(VolumeError::Changed { .. })), "a copy is another directory");
}
