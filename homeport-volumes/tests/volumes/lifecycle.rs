//! Volumes in plain directories: made, used, refused and taken away.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use crate::stand::{FIRST, MountGuard, NOTHING, NOW, OWNER, Stand, known, picture, run};
use homeport_core::fault::Advice as _;
use homeport_core::unit::{Format, Uid};
use homeport_volumes::{
    Before, Checked, Generation, Neighbour, Novelty, Remembered, Removal, Request, Start, VolumeError, VolumeUuid,
    examine, remove_if_blank,
};

#[test]
fn a_default_volume_is_made_used_and_found_again() {
    let stand = Stand::new();
    let request = stand.default_request();
    let created = stand.create(&request);
    assert_eq!(created.before, Before::Nothing);
    let uuid = created.ready.marker().uuid;

    let volume = request.path.as_path();
    for (path, uid, mode) in [("", 0, 0o700), (".homeport", 0, 0o700), ("data", 1000, 0o750)] {
        let meta = fs::metadata(volume.join(path)).unwrap();
        assert_eq!((meta.uid(), meta.permissions().mode() & 0o7777), (uid, mode), "{path}");
    }
    let mut stamp = [0; 64];
    let length = rustix::fs::getxattr(volume.join("data"), "trusted.homeport.id", &mut stamp[..]).unwrap();
    assert_eq!(String::from_utf8_lossy(&stamp[..length]), format!("{uuid}:1"));
    let expected = created.ready.expected("/home/user".into());
    let data = fs::metadata(volume.join("data")).unwrap();
    assert_eq!((expected.device, expected.inode, expected.new), (data.dev(), data.ino(), true));
    assert_eq!(expected.uuid, uuid.to_string());

    let in_use = created.ready.begin_use().unwrap();
    assert_eq!(in_use.generation(), FIRST);
    let mut known = known(&request, &in_use);
    drop(in_use);
    known.data = Remembered::Nothing;
    let again = stand.ready(&request, Some(&known));
    assert!(again.expected("/x".into()).new, "nothing was ever in it");
    assert_eq!(again.begin_use().unwrap().generation(), Generation::new(2));

    fs::write(volume.join("data/letter"), "x").unwrap();
    let used = stand.ready(&request, Some(&known));
    assert!(!used.expected("/x".into()).new);
    assert_eq!(used.marker().uuid, uuid);
    assert_eq!(stand.ready(&request, None).marker().uuid, uuid, "the ledger may be lost");
}

#[test]
fn an_operators_directory_has_to_exist_and_be_empty_or_the_right_volume() {
    let stand = Stand::new();
    let request = stand.request("my home");
    assert_eq!(
        stand.words(&request, None),
        "HP-VOL-001 the directory for volume `home` does not exist: found nothing at `/my home`, wanted an empty \
         directory at `/my home`; check the path for a typing mistake; if it is right, run `mkdir -p '/my home'` and \
         repeat the command"
    );
    fs::create_dir(stand.at("my home")).unwrap();
    fs::write(stand.at("my home/photo"), "x").unwrap();
    assert_eq!(
        stand.words(&request, None),
        "HP-VOL-003 the directory for volume `home` is not empty and has no marker: found `photo`, wanted an empty \
         directory at `/my home`, or one that HomePort made for this volume; name an empty directory; to make what \
         is here the volume, look at `homeport volume adopt shell alice home '/my home' --dry-run`; it stays as it is"
    );
    fs::remove_file(stand.at("my home/photo")).unwrap();
    let known = stand.filled(&request);
    assert_eq!(stand.ready(&request, Some(&known)).marker().uuid, known.uuid);

    let mut foreign = request.clone();
    foreign.instance = "bob".parse().unwrap();
    foreign.port = "web".parse().unwrap();
    assert_eq!(
        stand.words(&foreign, None),
        "HP-VOL-004 `/my home` holds a volume that is not `home` of `bob`: found a volume of port `shell`, instance \
         `alice`, wanted a volume of port `web`, instance `bob`; name the directory of this volume, or an empty one \
         for a new volume"
    );
}

#[test]
fn links_and_files_on_the_way_are_named() {
    let stand = Stand::new();
    fs::create_dir_all(stand.at("real/deep/vol")).unwrap();
    symlink("real", stand.at("link")).unwrap();
    symlink("nowhere", stand.at("dangling")).unwrap();
    fs::write(stand.at("file"), "").unwrap();
    let real = "a path without links, because a link can point elsewhere a moment later";
    for (path, words) in [
        (
            "link/deep/vol",
            format!(
                "HP-VOL-001 the path of volume `home` goes through a symbolic link: found `/link` points to `real`, \
                 wanted {real}; use the real path: `/real/deep/vol`"
            ),
        ),
        (
            "dangling",
            format!(
                "HP-VOL-001 the path of volume `home` goes through a symbolic link: found `/dangling` points to \
                 `nowhere`, wanted {real}; the link leads nowhere: mount what it points to, or name an existing \
                 directory"
            ),
        ),
        (
            "file/vol",
            "HP-VOL-001 the path of volume `home` does not lead to a directory: found something else at `/file`, \
             wanted a directory at `/file/vol`; name a directory"
                .to_owned(),
        ),
    ] {
        assert_eq!(stand.words(&stand.request(path), None), words);
    }
}

/// Each damage is done to a fresh, filled volume.
#[test]
#[expect(clippy::too_many_lines, reason = "one row a story")]
fn damaged_volumes_are_refused_and_nothing_in_them_is_changed() {
    type Damage = fn(&Stand, &Path);
    let rows: Vec<(&str, Damage, &[&str])> = vec![
        ("marker removed", |_, v| fs::remove_file(v.join(".homeport/marker.json")).unwrap(), &["HP-VOL-003"]),
        ("marker emptied", |_, v| fs::write(v.join(".homeport/marker.json"), "").unwrap(), &["HP-VOL-003"]),
        (
            "marker cut",
            |_, v| {
                let file = v.join(".homeport/marker.json");
                let text = fs::read(&file).unwrap();
                fs::write(&file, &text[..text.len() / 2]).unwrap();
            },
            &["HP-VOL-003"],
        ),
        (
            "marker edited",
            |_, v| {
                let file = v.join(".homeport/marker.json");
                let text = fs::read_to_string(&file).unwrap().replace("\"format\": 1", "\"format\": 2");
                fs::write(&file, text).unwrap();
            },
            &["HP-VOL-003"],
        ),
        (
            "marker is a link",
            |stand, v| {
                fs::rename(v.join(".homeport/marker.json"), stand.at("elsewhere")).unwrap();
                symlink(stand.at("elsewhere"), v.join(".homeport/marker.json")).unwrap();
            },
            &["HP-VOL-003"],
        ),
        (
            "marker is a pipe",
            |_, v| {
                fs::remove_file(v.join(".homeport/marker.json")).unwrap();
                run("mkfifo", &[v.join(".homeport/marker.json").to_str().unwrap()]);
            },
            &["HP-VOL-003"],
        ),
        ("home removed", |_, v| fs::remove_dir_all(v.join(".homeport")).unwrap(), &["HP-VOL-003"]),
        (
            "home is a link",
            |stand, v| {
                fs::rename(v.join(".homeport"), stand.at("moved")).unwrap();
                symlink(stand.at("moved"), v.join(".homeport")).unwrap();
            },
            &["HP-VOL-003"],
        ),
        ("data emptied", |_, v| fs::remove_file(v.join("data/letter")).unwrap(), &["HP-VOL-005"]),
        ("data removed", |_, v| fs::remove_dir_all(v.join("data")).unwrap(), &["HP-VOL-005"]),
        (
            "data is a link",
            |stand, v| {
                fs::rename(v.join("data"), stand.at("data")).unwrap();
                symlink(stand.at("data"), v.join("data")).unwrap();
            },
            &["HP-VOL-005"],
        ),
        (
            "everything removed",
            |_, v| {
                fs::remove_dir_all(v).unwrap();
                fs::create_dir(v).unwrap();
            },
            &["HP-VOL-005"],
        ),
        ("directory removed", |_, v| fs::remove_dir_all(v).unwrap(), &["HP-VOL-001"]),
        (
            "data of another volume",
            |stand, v| {
                fs::create_dir(stand.at("other")).unwrap();
                let mut other = stand.request("other");
                other.instance = "bob".parse().unwrap();
                let _known = stand.filled(&other);
                fs::rename(v.join("data"), stand.at("aside")).unwrap();
                fs::rename(stand.at("other/data"), v.join("data")).unwrap();
            },
            &["HP-VOL-004"],
        ),
        (
            "data of another owner",
            |_, v| run("chown", &["5000:5000", v.join("data").to_str().unwrap()]),
            &["HP-VOL-009"],
        ),
        ("data open to all", |_, v| run("chmod", &["0777", v.join("data").to_str().unwrap()]), &["HP-VOL-009"]),
        ("volume open to all", |_, v| run("chmod", &["0755", v.to_str().unwrap()]), &["HP-VOL-009"]),
        (
            "home of another owner",
            |_, v| run("chown", &["1000:1000", v.join(".homeport").to_str().unwrap()]),
            &["HP-VOL-009"],
        ),
        (
            "two things at once",
            |_, v| {
                run("chmod", &["0777", v.join("data").to_str().unwrap()]);
                fs::remove_file(v.join("data/letter")).unwrap();
            },
            &["HP-VOL-005", "HP-VOL-009"],
        ),
    ];
    for (name, damage, codes) in rows {
        let stand = Stand::new();
        fs::create_dir(stand.at("vol")).unwrap();
        let request = stand.request("vol");
        let known = stand.filled(&request);
        damage(&stand, &stand.at("vol"));
        let before = picture(stand.dir.path());
        assert_eq!(stand.codes(&request, Some(&known)), codes, "{name}");
        assert_eq!(picture(stand.dir.path()), before, "{name}");
    }
}

#[test]
fn a_marker_from_a_newer_homeport_is_left_alone() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let file = request.path.as_path().join(".homeport/marker.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    let words = stand.words(&request, Some(&known));
    assert!(words.contains("the marker has version 2, this HomePort reads up to 1"), "{words}");
    assert!(words.ends_with("use the HomePort that wrote it, or a newer one"), "{words}");
}

#[test]
fn formats_decide_between_migration_and_refusal() {
    let stand = Stand::new();
    let mut request = Request { format: Format::new(4), ..stand.default_request() };
    let known = stand.filled(&request);
    for (format, oldest, words) in [(6, 5, "migration needed"), (3, 1, "is newer than the image")] {
        request.format = Format::new(format);
        request.min_format = Format::new(oldest);
        let found = stand.words(&request, Some(&known));
        assert!(found.starts_with("HP-VOL-006") && found.contains(words), "{found}");
    }
    request.format = Format::new(6);
    request.min_format = Format::new(4);
    assert_eq!(stand.ready(&request, Some(&known)).marker().format, Format::new(4), "works with it as it is");
}

#[test]
fn overlapping_volumes_are_found_by_path_and_by_directory() {
    let stand = Stand::new();
    fs::create_dir_all(stand.at("srv/mail/sub")).unwrap();
    fs::create_dir(stand.at("view")).unwrap();
    let _guard = MountGuard(stand.at("view"));
    run("mount", &["--bind", stand.at("srv").to_str().unwrap(), stand.at("view").to_str().unwrap()]);
    let neighbour = Neighbour { label: "volume mail of bob".into(), path: stand.path("srv/mail"), uuid: None };
    for (path, how) in [
        ("srv/mail", "is the same directory as"),
        ("srv/mail/sub", "is inside"),
        ("view/mail", "is the same directory as"),
        ("view/mail/sub", "is inside"),
    ] {
        let request = Request { neighbours: vec![neighbour.clone()], ..stand.request(path) };
        let Err(VolumeError::Refused(faults)) = stand.check(&request, None) else { panic!("{path} allowed") };
        let fault = faults.iter().find(|fault| fault.code == "HP-VOL-012").unwrap();
        assert!(fault.actual.contains(how), "{fault}");
    }
    let around = Request { neighbours: vec![neighbour], ..stand.request("srv") };
    assert_eq!(stand.codes(&around, None), ["HP-VOL-003", "HP-VOL-012"]);
}

#[test]
fn the_lock_keeps_a_second_process_out_and_dies_with_its_holder() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let second = stand.ready(&request, Some(&known));
    let first = stand.ready(&request, Some(&known)).begin_use().unwrap();
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-011"]);
    let error = second.begin_use().unwrap_err();
    assert_eq!(error.code(), "HP-VOL-011");
    drop(first);
    let third = stand.ready(&request, Some(&known));
    assert_eq!(third.marker().generation, Generation::new(2));
}

#[test]
fn what_changed_after_the_check_is_noticed_when_it_is_taken_into_use() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let volume = request.path.as_path();
    let stale = stand.ready(&request, Some(&known));
    drop(stand.ready(&request, Some(&known)).begin_use().unwrap());
    assert!(matches!(stale.begin_use(), Err(VolumeError::Changed { .. })), "another one was faster");
    let checked = stand.ready(&request, Some(&known));
    fs::rename(volume.join("data"), volume.join("aside")).unwrap();
    fs::create_dir(volume.join("data")).unwrap();
    assert!(matches!(checked.begin_use(), Err(VolumeError::Changed { .. })), "the data was swapped");
}

#[test]
fn a_blank_volume_is_taken_away_without_a_trace_and_one_with_data_never() {
    let stand = Stand::new();
    let before = picture(stand.dir.path());
    let request = stand.default_request();
    let created = stand.create(&request);
    let uuid = created.ready.marker().uuid;
    let remove = |uuid| remove_if_blank(&request.path, uuid, &request.origin, created.before);
    assert!(matches!(remove(VolumeUuid::random()), Err(VolumeError::Changed { .. })), "only the one that is meant");
    assert_eq!(remove(uuid).unwrap(), Removal::Removed);
    assert_eq!(picture(stand.dir.path()), before);
    assert_eq!(remove(uuid).unwrap(), Removal::Absent);

    let known = stand.filled(&request);
    let before = picture(stand.dir.path());
    let kept = remove_if_blank(&request.path, known.uuid, &request.origin, NOTHING).unwrap();
    assert_eq!(kept, Removal::KeptWithData { entries: 1 });
    assert_eq!(picture(stand.dir.path()), before);
}

#[test]
fn an_operators_directory_is_given_back_as_it_was() {
    let stand = Stand::new();
    fs::create_dir(stand.at("mine")).unwrap();
    run("chown", &["1234:4321", stand.at("mine").to_str().unwrap()]);
    let before = picture(stand.dir.path());
    let request = stand.request("mine");
    let created = stand.create(&request);
    assert!(matches!(created.before, Before::Directory(owner) if owner.uid == Uid::new(1234)));
    let uuid = created.ready.marker().uuid;
    assert_eq!(remove_if_blank(&request.path, uuid, &request.origin, created.before).unwrap(), Removal::Removed);
    assert_eq!(picture(stand.dir.path()), before);
}

#[test]
fn checks_of_a_good_volume_and_of_a_blank_place_change_nothing() {
    let stand = Stand::new();
    fs::create_dir(stand.at("blank")).unwrap();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let before = picture(stand.dir.path());
    for _ in 0..3 {
        drop(stand.ready(&request, Some(&known)));
        assert!(
            matches!(stand.check(&stand.request("blank"), None), Ok(Checked::Create(c)) if c.start() == Start::Fresh)
        );
        assert_eq!(stand.codes(&stand.request("missing"), None), ["HP-VOL-001"]);
    }
    assert_eq!(picture(stand.dir.path()), before);
}

#[test]
fn a_place_that_was_filled_between_check_and_creation_is_left_alone() {
    let stand = Stand::new();
    fs::create_dir(stand.at("vol")).unwrap();
    let Ok(Checked::Create(creatable)) = stand.check(&stand.request("vol"), None) else { panic!("refused") };
    fs::write(stand.at("vol/photo"), "x").unwrap();
    let before = picture(stand.dir.path());
    assert!(matches!(creatable.create(VolumeUuid::random(), NOW), Err(VolumeError::Changed { .. })));
    assert_eq!(picture(stand.dir.path()), before);
}

#[test]
fn a_check_takes_milliseconds_however_much_the_volume_holds() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    for n in 0..5000 {
        fs::write(request.path.as_path().join(format!("data/{n}")), "").unwrap();
    }
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let start = std::time::Instant::now();
            drop(stand.ready(&request, Some(&known)));
            start.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[10].as_millis() < 50, "median {:?}", times[10]);
    println!("median {:?}", times[10]);
}

/// What this process has used of the processors so far.
fn cpu() -> std::time::Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    std::time::Duration::from_millis(ticks * 10)
}

/// G10: the time of the checks, without the probe's sync, which is the disk's. Run with `--ignored` on a quiet machine; the
/// figures are printed.
#[test]
#[ignore = "makes 300 processes and 100,000 files to measure with"]
fn g10_twenty_volumes_on_a_host_with_three_hundred_processes() {
    struct Crowd(Vec<std::process::Child>);
    impl Drop for Crowd {
        fn drop(&mut self) {
            for child in &mut self.0 {
                let _ended = child.kill().and_then(|()| child.wait());
            }
        }
    }
    let stand = Stand::new();
    let requests: Vec<Request> = (0..20)
        .map(|n| {
            fs::create_dir(stand.at(&format!("vol{n}"))).unwrap();
            stand.request(&format!("vol{n}"))
        })
        .collect();
    let known: Vec<_> = requests.iter().map(|request| stand.filled(request)).collect();
    let mut crowd = Crowd(Vec::new());
    for n in 0..300 {
        // A tenth of them in mount namespaces of their own, as containers and services are.
        let mut command = std::process::Command::new(if n % 10 == 0 { "unshare" } else { "sleep" });
        let command = if n % 10 == 0 { command.args(["--mount", "sleep", "600"]) } else { command.arg("600") };
        crowd.0.push(command.spawn().unwrap());
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    let median = |mut times: Vec<std::time::Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let one = |request: &Request, known: &homeport_volumes::Known| {
        let start = std::time::Instant::now();
        drop(stand.ready(request, Some(known)));
        start.elapsed()
    };
    let looked = |request: &Request, known: &homeport_volumes::Known| {
        let looking = Request { access: homeport_volumes::Access::ReadOnly, ..request.clone() };
        let start = std::time::Instant::now();
        drop(stand.ready(&looking, Some(known)));
        start.elapsed()
    };
    let few = median((0..51).map(|_| one(&requests[0], &known[0])).collect());
    let few_looked = median((0..51).map(|_| looked(&requests[0], &known[0])).collect());
    let all = |_round| {
        let start = std::time::Instant::now();
        let processes = homeport_volumes::Processes::of(&stand.machine);
        for (request, known) in std::iter::zip(&requests, &known) {
            drop(homeport_volumes::check_among(&stand.machine, &processes, request, Some(known)).unwrap());
        }
        start.elapsed()
    };
    let before = cpu();
    let twenty = median((0..21).map(all).collect());
    let twenty_cpu = cpu().saturating_sub(before) / 21;
    for n in 0..100_000 {
        if n % 1000 == 0 {
            fs::create_dir(stand.at(&format!("vol0/data/{}", n / 1000))).unwrap();
        }
        fs::write(stand.at(&format!("vol0/data/{}/{n}", n / 1000)), "").unwrap();
    }
    let before = cpu();
    let many = median((0..51).map(|_| one(&requests[0], &known[0])).collect());
    let many_cpu = cpu().saturating_sub(before) / 51;
    println!("one volume, 1 entry: {few:?} (without the probe and the look: {few_looked:?})");
    println!("one volume, 100,000 entries: {many:?}, CPU {many_cpu:?}");
    println!("twenty volumes, 300 processes: {twenty:?}, CPU {twenty_cpu:?}");
}

#[test]
fn the_facts_are_values_that_can_be_shown() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    let examined = examine(&stand.machine, &request, Some(&known)).unwrap();
    let place = examined.facts.place.unwrap();
    assert_eq!(place.fs, known.fs);
    assert!(place.fs.uuid.is_some() || place.fs.fsid.is_some(), "{place:?}");
    let content = examined.facts.content.unwrap();
    assert_eq!(content.owner.uid, Uid::new(0));
    assert_eq!(OWNER.to_string(), "1000:1000 0750");
    assert_eq!(
        homeport_volumes::decide(
            &request,
            Some(&known),
            &examine(&stand.machine, &request, Some(&known)).unwrap().facts
        )
        .map(|verdict| matches!(verdict, homeport_volumes::Verdict::Attach { novelty: Novelty::Used, .. })),
        Ok(true)
    );
}
