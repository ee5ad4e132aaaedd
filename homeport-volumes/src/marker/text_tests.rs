//! The marker's text: its form on disk, what is not one, and that writing and reading are each other's opposite.

use proptest::prelude::*;

use super::*;

pub(crate) fn sample() -> Marker {
    Marker {
        root: "0a1b2c3d".parse().unwrap(),
        port: "shell".parse().unwrap(),
        instance: "alice-shell".parse().unwrap(),
        volume: "home".parse().unwrap(),
        uuid: "0f0e0d0c-0b0a-4988-8776-655443322110".parse().unwrap(),
        format: Format::new(3),
        generation: Generation::new(41),
        fs: FsIdentity { kind: "ext4".into(), uuid: Some(uuid::Uuid::from_u128(7)), fsid: None },
        must_be_mount: Some("/mnt/my disk".parse().unwrap()),
        owner: Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Mode::new(0o700) },
        created: UnixSeconds::new(1_800_000_000),
    }
}

/// The bytes of `text` with a right checksum, whatever else is wrong with them.
fn signed(text: &str) -> Vec<u8> {
    let zero = Digest::new([0; 32]);
    let at = text.find("sha256:").expect("a checksum to replace") + 7;
    let unsigned = format!("{}{}{}", &text[..at], zero.hex(), &text[at + 64..]);
    unsigned.replace(&zero.hex(), &digest_of(unsigned.as_bytes(), &zero).hex()).into_bytes()
}

fn text() -> String {
    String::from_utf8(sample().render()).unwrap()
}

#[test]
fn the_form_on_disk_is_fixed() {
    let wanted = r#"{
  "version": 1,
  "root": "0a1b2c3d",
  "port": "shell",
  "instance": "alice-shell",
  "volume": "home",
  "uuid": "0f0e0d0c-0b0a-4988-8776-655443322110",
  "format": 3,
  "generation": 41,
  "fs": {
    "kind": "ext4",
    "uuid": "00000000-0000-0000-0000-000000000007",
    "fsid": null
  },
  "must_be_mount": "/mnt/my disk",
  "uid": 1000,
  "gid": 1000,
  "mode": "0700",
  "created": 1800000000,
  "sha256": "sha256:"#;
    assert!(text().starts_with(wanted), "{}", text());
    assert!(text().ends_with("\"\n}\n"));
    assert_eq!(signed(&text()), sample().render(), "signing in the tests is signing as it is written");
    assert_eq!(Marker::parse(&sample().render()), Ok(sample()));
}

#[test]
fn the_checksum_is_checked_with_standard_tools() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("marker.json");
    std::fs::write(&file, sample().render()).unwrap();
    let script = r#"want=$(sed -n 's/.*"sha256:\([0-9a-f]*\)".*/\1/p' "$1")
        got=$(sed 's/"sha256:[0-9a-f]*"/"sha256:'$(printf '0%.0s' $(seq 64))'"/' "$1" | sha256sum | cut -d' ' -f1)
        test -n "$want" && test "$want" = "$got""#;
    let status = std::process::Command::new("sh").args(["-c", script, "sh"]).arg(&file).status().unwrap();
    assert!(status.success());
}

#[test]
fn every_kind_of_damage_is_its_own_fault() {
    let text = text();
    let swap = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let unknown = MarkerFault::Unknown { name: "colour".into() };
    let rows: Vec<(Vec<u8>, Vec<MarkerFault>)> = vec![
        (vec![], vec![MarkerFault::Empty]),
        (vec![b' '; MAX_BYTES + 1], vec![MarkerFault::TooLong { limit: MAX_BYTES }]),
        (text.as_bytes()[..100].to_vec(), vec![MarkerFault::Truncated { bytes: 100 }]),
        (vec![0; 512], vec![MarkerFault::NotJson { line: 1, column: 1 }]),
        (b"[]".to_vec(), vec![MarkerFault::NotJson { line: 1, column: 0 }]),
        (
            swap("\"version\": 1", "\"version\": 2").into_bytes(),
            vec![MarkerFault::Newer { found: MarkerVersion::new(2) }],
        ),
        (signed(&swap("\"format\"", "\"colour\": 1,\n  \"format\"")), vec![unknown.clone()]),
        (signed(&swap("  \"port\": \"shell\",\n", "")), vec![MarkerFault::Missing { name: "port" }]),
        (
            signed(&swap("\"mode\": \"0700\"", "\"mode\": \"700\"")),
            vec![MarkerFault::Invalid { name: "mode", found: "\"700\"".into(), wanted: "four octal digits" }],
        ),
        (signed(&swap("\"format\": 3", "\"format\": 3,\n  \"format\": 3")), vec![MarkerFault::Form]),
        (signed(&swap("\"uid\": 1000", "\"uid\":  1000")), vec![MarkerFault::Form]),
        (
            signed(&swap("\"port\": \"shell\"", "\"colour\": 1").replace("\"uid\": 1000", "\"uid\": -1")),
            vec![
                unknown,
                MarkerFault::Missing { name: "port" },
                MarkerFault::Invalid { name: "uid", found: "-1".into(), wanted: "a whole number below 2^32" },
            ],
        ),
    ];
    for (bytes, wanted) in rows {
        assert_eq!(Marker::parse(&bytes), Err(wanted), "{}", String::from_utf8_lossy(&bytes));
    }
    let edited = swap("alice-shell", "bobby-shell");
    assert!(matches!(Marker::parse(edited.as_bytes()).unwrap_err()[..], [MarkerFault::Checksum { .. }]));
}

#[test]
fn no_single_changed_byte_and_no_cut_is_read_as_a_marker() {
    let good = sample().render();
    for at in 0..good.len() {
        assert!(Marker::parse(&good[..at]).is_err(), "cut at {at}");
        for flip in [0x01, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            assert!(Marker::parse(&bad).is_err(), "byte {at} flipped by {flip:#x}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        root in "[0-9a-f]{8}", port in "[a-z][a-z0-9]{1,31}", instance in "[a-z][a-z0-9]{0,39}",
        volume in "[a-z][a-z0-9]{0,31}", uuid in any::<u128>(), format in any::<u32>(), generation in any::<u64>(),
        kind in "[a-z0-9.]{1,12}", fsid in proptest::option::of("[0-9a-f]{16}"), fs_uuid in proptest::option::of(any::<u128>()),
        mount in proptest::option::of("(/[ -.0-~é\t\n]{1,9}[a-z]){1,4}"), uid in any::<u32>(), gid in any::<u32>(),
        mode in 0_u32..0o1000, created in any::<u64>(),
    ) {
        let marker = Marker {
            root: root.parse().unwrap(),
            port: port.parse().unwrap(),
            instance: instance.parse().unwrap(),
            volume: volume.parse().unwrap(),
            uuid: VolumeUuid::from_bytes(uuid.to_be_bytes()),
            format: Format::new(format),
            generation: Generation::new(generation),
            fs: FsIdentity { kind, uuid: fs_uuid.map(uuid::Uuid::from_u128), fsid },
            must_be_mount: mount.map(|path| path.parse().unwrap()),
            owner: Owner { uid: Uid::new(uid), gid: Gid::new(gid), mode: Mode::new(mode) },
            created: UnixSeconds::new(created),
        };
        let bytes = marker.render();
        prop_assert!(bytes.len() < MAX_BYTES);
        prop_assert_eq!(Marker::parse(&bytes), Ok(marker));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Marker::parse(&bytes).is_err());
    }
}
