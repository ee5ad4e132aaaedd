//! Directories and volumes that are adopted, taken back and moved: on real disks, with one of everything in them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::disks::on_a_disk;
use crate::picture::full;
use crate::stand::{Disk, MountGuard, NOW, Stand, run, unmount};
use crate::trash::furnish;
use homeport_core::unit::{Gid, Mode, Uid};
use homeport_volumes::adopt::{
    DirectoryPlan, MoveWay, Plan, Shape, TakenBack, VolumePlan, adopt_directory, change_marker, plan, plan_move,
    relocate, settle, take_back,
};
use homeport_volumes::{
    Checked, Generation, Known, Marker, Owner, Remembered, Request, TxId, VolumeError, VolumeUuid, check,
};

pub(crate) const TX: TxId = TxId::from_bytes([5; 16]);
pub(crate) const UUID: VolumeUuid = VolumeUuid::from_bytes([6; 16]);
const USER: Owner = Owner { uid: Uid::new(1000), gid: Gid::new(1000), mode: Mode::new(0o750) };

/// A directory as people have them: an own `data` in it, odd names, lists of access rights that are handed down.
pub(crate) fn messy(top: &Path) {
    furnish(top);
    fs::create_dir(top.join("data")).unwrap();
    fs::write(top.join("data/mine"), "not HomePort's").unwrap();
    fs::write(top.join(".hidden"), "h").unwrap();
    let text = top.to_str().unwrap();
    run("setfattr", &["-n", "user.colour", "-v", "blue", text]);
    run("chown", &["1000:1000", text]);
    run("chmod", &["0750", text]);
    run("setfacl", &["-d", "-m", "u:4711:rwx", text]);
    run("setfacl", &["-m", "u:4711:r-x", text]);
    run("touch", &["-m", "-d", "2001-02-03 04:05:06.789", text]);
}

/// All that is below `top`; of `top` itself all but its inode and its number of links, which `lost+found` has a part in.
pub(crate) fn whole(top: &Path, left_out: &[&str]) -> Vec<String> {
    let line = |line: String| match line.strip_prefix(' ') {
        Some(rest) => {
            let words: Vec<&str> = rest.split(' ').collect();
            let kept = words.iter().enumerate().filter(|(at, _)| {
                let before = at.checked_sub(1).map(|at| words[at]);
                before != Some("ino") && before != Some("links")
            });
            kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
        }
        None => line,
    };
    full(top, left_out).into_iter().map(line).collect()
}

pub(crate) fn directory_plan(stand: &Stand, request: &Request) -> DirectoryPlan {
    match plan(&stand.machine, request, None, &mut |_| {}) {
        Ok(Plan::Directory(plan)) => *plan,
        other => panic!("{other:?}"),
    }
}

fn volume_plan(stand: &Stand, request: &Request, known: Option<&Known>) -> VolumePlan {
    match plan(&stand.machine, request, known, &mut |_| {}) {
        Ok(Plan::Volume(plan)) => *plan,
        other => panic!("{other:?}"),
    }
}

fn codes(stand: &Stand, request: &Request, known: Option<&Known>) -> Vec<&'static str> {
    match plan(&stand.machine, request, known, &mut |_| {}) {
        Err(VolumeError::Refused(faults)) => {
            assert!(faults.iter().all(|fault| !fault.remedy.is_empty() && fault.clause.is_some()), "{faults:?}");
            faults.iter().map(|fault| fault.code).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_directory_becomes_a_volume_and_nothing_in_it_is_changed() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let stand = Stand::new();
        fs::create_dir(stand.at("disk")).unwrap();
        let mut disk = Disk::of_kind(stand.at("disk.img"), kind);
        disk.mount(&stand.at("disk"));
        for name in ["disk/mail", "disk"] {
            let top = stand.at(name);
            fs::create_dir_all(&top).unwrap();
            messy(&top);
            let request = stand.request(name);
            // `mkfs.ext4` made it, and no user.
            let before = whole(&top, &["lost+found", ".homeport"]);

            let plan = directory_plan(&stand, &request);
            assert_eq!((plan.shape, plan.owner, plan.wanted), (Shape::Plain, USER, request.owner));
            assert_eq!(plan.names[0], ".hidden");
            assert!(plan.names.iter().any(|name| name == r"not\040\377\040utf8\012"), "{:?}", plan.names);
            assert!(plan.owners.iter().any(|(uid, _, count)| uid.get() == 1000 && *count > 5), "{:?}", plan.owners);
            assert_eq!(whole(&top, &["lost+found", ".homeport"]), before, "{kind}: a plan changes nothing");
            assert!(!top.join(".homeport").exists());

            let marker = adopt_directory(&request, &plan, TX, UUID, NOW).unwrap();
            assert_eq!((marker.uuid, marker.generation, marker.owner), (UUID, Generation::new(1), USER));
            assert_eq!(whole(&top.join("data"), &[]), before, "{kind}");
            assert_eq!(adopt_directory(&request, &plan, TX, UUID, NOW).unwrap(), marker, "once more is the same");
            let mut here: Vec<_> = fs::read_dir(&top).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            here.retain(|name| name != "lost+found");
            here.sort();
            assert_eq!(here, [".homeport", "data"]);
            let meta = fs::metadata(&top).unwrap();
            assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o700));
            assert_eq!(crate::picture::xattrs(&top), "");
            let known = Known::of(&marker, request.path.clone(), Remembered::Data);
            let ready = stand.ready(&request, Some(&known));
            assert!(!ready.expected("/x".into()).new);

            assert_eq!(take_back(&request.path, TX).unwrap(), TakenBack::Done);
            assert_eq!(whole(&top, &["lost+found"]), before, "{kind}: taken back");
            assert_eq!(take_back(&request.path, TX).unwrap(), TakenBack::Nothing);

            let plan = directory_plan(&stand, &request);
            adopt_directory(&request, &plan, TX, UUID, NOW).unwrap();
            settle(&request.path, TX).unwrap();
            settle(&request.path, TX).unwrap();
            assert_eq!(take_back(&request.path, TX).unwrap(), TakenBack::Nothing, "it is for good now");
            assert_eq!(whole(&top.join("data"), &[]), before, "{kind}: for good");
            drop(stand.ready(&request, Some(&known)).begin_use().unwrap());
            if name != "disk" {
                run("rm", &["-rf", top.to_str().unwrap()]);
            }
        }
    }
}

/// Bad input 42: somebody copied the data of a volume without what is HomePort's.
#[test]
fn a_copied_data_directory_is_taken_as_it_is() {
    let stand = Stand::new();
    let top = stand.at("mail");
    fs::create_dir_all(top.join("data")).unwrap();
    furnish(&top.join("data"));
    run("setfattr", &["-n", "user.note", "-v", "kept", top.to_str().unwrap()]);
    run("setfattr", &["-n", "trusted.homeport.id", "-v", "something else", top.join("data").to_str().unwrap()]);
    let request = stand.request("mail");
    let before = full(&top.join("data"), &[]);
    assert_eq!(stand.codes(&request, None), ["HP-VOL-003"]);
    let plan = directory_plan(&stand, &request);
    assert_eq!((plan.shape, plan.top), (Shape::DataOnly, 1));
    let marker = adopt_directory(&request, &plan, TX, UUID, NOW).unwrap();
    assert_eq!(full(&top.join("data"), &[]), before);
    assert_eq!(crate::picture::xattrs(&top), "user.note=kept");
    let wanted = Request { owner: plan.owner, ..request.clone() };
    assert_eq!(stand.ready(&wanted, None).marker(), &marker);
    take_back(&request.path, TX).unwrap();
    assert_eq!(full(&top.join("data"), &[]), before);
    assert!(!top.join(".homeport").exists());
}

/// The files keep their owners; what the port wants is told, and a start is refused until somebody has changed it.
#[test]
fn other_owners_are_told_and_never_changed() {
    let stand = Stand::new();
    fs::create_dir(stand.at("mail")).unwrap();
    fs::write(stand.at("mail/letter"), "x").unwrap();
    run("chown", &["-R", "5000:5000", stand.at("mail").to_str().unwrap()]);
    let request = stand.request("mail");
    let plan = directory_plan(&stand, &request);
    assert_eq!((plan.owner.uid.get(), plan.wanted.uid.get()), (5000, 1000));
    assert_eq!(plan.owners, [(Uid::new(5000), Gid::new(5000), 2)]);
    adopt_directory(&request, &plan, TX, UUID, NOW).unwrap();
    // The directory, and what is in it.
    assert_eq!(stand.codes(&request, None), ["HP-VOL-009", "HP-VOL-009"]);
    assert_eq!(fs::metadata(stand.at("mail/data/letter")).unwrap().uid(), 5000);
}

#[test]
fn what_cannot_be_adopted_is_refused_and_left_alone() {
    type Prepare = fn(&Stand);
    let rows: [(&str, Prepare, &[&str]); 9] = [
        ("nothing", |stand| fs::remove_dir_all(stand.at("mail")).unwrap(), &["HP-VOL-001"]),
        ("empty", |stand| fs::remove_file(stand.at("mail/letter")).unwrap(), &["HP-VOL-030"]),
        (
            "a link",
            |stand| {
                fs::rename(stand.at("mail"), stand.at("real")).unwrap();
                std::os::unix::fs::symlink(stand.at("real"), stand.at("mail")).unwrap();
            },
            &["HP-VOL-001"],
        ),
        (
            "a file that cannot be changed",
            |stand| run("chattr", &["+i", stand.at("mail/letter").to_str().unwrap()]),
            &["HP-VOL-031"],
        ),
        (
            "a directory that can only grow",
            |stand| run("chattr", &["+a", stand.at("mail").to_str().unwrap()]),
            &["HP-VOL-031"],
        ),
        (
            "something of another volume's",
            |stand| fs::create_dir_all(stand.at("mail/.homeport/trash")).unwrap(),
            &["HP-VOL-003"],
        ),
        (
            "a damaged marker",
            |stand| {
                fs::create_dir_all(stand.at("mail/.homeport")).unwrap();
                fs::write(stand.at("mail/.homeport/marker.json"), "{").unwrap();
            },
            &["HP-VOL-003"],
        ),
        (
            "a mount in it",
            |stand| {
                fs::create_dir(stand.at("mail/sub")).unwrap();
                run("mount", &["-t", "tmpfs", "none", stand.at("mail/sub").to_str().unwrap()]);
            },
            &["HP-VOL-012"],
        ),
        (
            "in memory",
            |stand| {
                run("mount", &["-t", "tmpfs", "none", stand.at("mail").to_str().unwrap()]);
                fs::write(stand.at("mail/letter"), "x").unwrap();
            },
            &["HP-VOL-013"],
        ),
    ];
    for (name, prepare, wanted) in rows {
        let stand = Stand::new();
        fs::create_dir(stand.at("mail")).unwrap();
        fs::write(stand.at("mail/letter"), "x").unwrap();
        let _guards = (MountGuard(stand.at("mail/sub")), MountGuard(stand.at("mail")));
        prepare(&stand);
        let before = full(stand.dir.path(), &[]);
        assert_eq!(codes(&stand, &stand.request("mail"), None), wanted, "{name}");
        assert_eq!(full(stand.dir.path(), &[]), before, "{name}");
        drop(Command::new("chattr").args(["-i", "-a"]).arg(stand.at("mail")).arg(stand.at("mail/letter")).output());
    }
}

#[test]
fn a_directory_that_a_program_has_open_is_not_adopted() {
    let stand = Stand::new();
    fs::create_dir(stand.at("mail")).unwrap();
    fs::write(stand.at("mail/letter"), "x").unwrap();
    let file = fs::File::open(stand.at("mail/letter")).unwrap();
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::from(file)).spawn().unwrap();
    let found = plan(&stand.machine, &stand.request("mail"), None, &mut |_| {});
    child.kill().unwrap();
    child.wait().unwrap();
    let Err(VolumeError::Refused(faults)) = found else { panic!("{found:?}") };
    assert_eq!(faults[0].code, "HP-VOL-011");
    assert!(faults[0].actual.contains("(`sleep`)") && faults[0].actual.contains("/mail/letter"), "{}", faults[0]);
    drop(directory_plan(&stand, &stand.request("mail")));
}

#[test]
fn a_volume_of_another_homeport_or_instance_becomes_this_one() {
    let stand = Stand::new();
    let (_disk, theirs, _) = on_a_disk(&stand, "");
    let data = stand.at("disk/data");
    let before = full(&data, &[]);
    for (name, ours) in [
        ("instance", Request { instance: "bob".parse().unwrap(), ..theirs.clone() }),
        ("HomePort", Request { root: "ffffffff".parse().unwrap(), ..theirs.clone() }),
        ("volume", Request { volume: "mail".parse().unwrap(), ..theirs.clone() }),
    ] {
        assert_eq!(stand.codes(&ours, None), ["HP-VOL-004"], "{name}");
        let plan = volume_plan(&stand, &ours, None);
        assert_eq!((plan.found.uuid, plan.measured.entries), (plan.becomes.uuid, 2), "{name}");
        change_marker(&plan.path, &plan.found, &plan.becomes).unwrap();
        let ready = stand.ready(&ours, None);
        assert_eq!(ready.marker(), &plan.becomes, "{name}");
        assert_eq!(stand.codes(&theirs, None), ["HP-VOL-004"], "{name}");
        change_marker(&plan.path, &plan.becomes, &plan.found).unwrap();
        drop(stand.ready(&theirs, None));
        assert_eq!(full(&data, &[]), before, "{name}");
        assert!(matches!(
            change_marker(&plan.path, &Marker { uuid: UUID, ..plan.found.clone() }, &plan.becomes),
            Err(VolumeError::Changed { .. })
        ));
    }
    let other_port = Request { port: "web".parse().unwrap(), ..theirs.clone() };
    assert_eq!(codes(&stand, &other_port, None), ["HP-VOL-004"]);
    assert_eq!(codes(&stand, &theirs, None), ["HP-VOL-030"], "it is this one already");
    let known = Known {
        uuid: UUID,
        ..Known::of(
            &volume_plan(&stand, &Request { instance: "bob".parse().unwrap(), ..theirs.clone() }, None).found,
            theirs.path.clone(),
            Remembered::Data,
        )
    };
    let bobs = Request { instance: "bob".parse().unwrap(), ..theirs.clone() };
    assert_eq!(codes(&stand, &bobs, Some(&known)), ["HP-VOL-004"], "bob has another volume of this name");
}

/// The newer disk is lost: the older copy becomes the volume, and the newer one would be the old copy from then on.
#[test]
fn an_older_copy_is_adopted_above_the_newer_one() {
    let stand = Stand::new();
    let (mut disk, request, known_then) = on_a_disk(&stand, "");
    disk.unmount();
    let mut clone = disk.clone_to(stand.at("clone.img"));
    disk.mount(&stand.at("disk"));
    let in_use = stand.ready(&request, Some(&known_then)).begin_use().unwrap();
    let known = crate::stand::known(&request, &in_use);
    drop(in_use);
    // The marker may be one ahead of the ledger.
    drop(stand.ready(&request, Some(&known)).begin_use().unwrap());
    disk.unmount();

    clone.mount(&stand.at("disk"));
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-007"]);
    let plan = volume_plan(&stand, &request, Some(&known));
    change_marker(&plan.path, &plan.found, &plan.becomes).unwrap();
    let ready = stand.ready(&request, Some(&known));
    let known = Known::of(ready.marker(), request.path.clone(), Remembered::Data);
    drop(ready);
    clone.unmount();
    disk.mount(&stand.at("disk"));
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-007"], "the other one is the old copy now");
}

#[test]
fn a_volume_that_a_person_moved_is_found_at_its_new_path() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    fs::rename(stand.at("disk/home"), stand.at("disk/elsewhere")).unwrap();
    let there = stand.request("disk/elsewhere");
    assert_eq!(stand.codes(&there, Some(&known)), ["HP-VOL-001"], "another path says nothing by itself");
    let plan = plan_move(&stand.machine, &there, &known).unwrap();
    assert_eq!((plan.way, &plan.found), (MoveWay::Found, &plan.becomes));
    let marker = relocate(&plan).unwrap();
    drop(stand.ready(&there, Some(&Known::of(&marker, there.path.clone(), Remembered::Data))));

    // The disk is mounted elsewhere now: it is the same disk.
    fs::rename(stand.at("disk/elsewhere"), stand.at("disk/home")).unwrap();
    disk.unmount();
    fs::create_dir(stand.at("other")).unwrap();
    disk.mount(&stand.at("other"));
    let there = stand.request("other/home");
    let plan = plan_move(&stand.machine, &there, &known).unwrap();
    assert_eq!(plan.becomes.must_be_mount, Some(stand.path("other")));
    let marker = relocate(&plan).unwrap();
    assert_eq!(relocate(&plan).unwrap(), marker);
    let moved = Known::of(&marker, there.path.clone(), Remembered::Data);
    drop(stand.ready(&there, Some(&moved)));
    disk.unmount();
    assert_eq!(stand.codes(&there, Some(&moved)), ["HP-VOL-002"], "the new mount point counts");
    drop(request);
}

#[test]
fn a_volume_is_renamed_on_its_file_system_and_comes_back() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    furnish(&stand.at("root/alice/home/data"));
    let before = full(&stand.at("root/alice/home/data"), &[]);
    let there = stand.request("new home");
    let plan = plan_move(&stand.machine, &there, &known).unwrap();
    assert_eq!(plan.way, MoveWay::Rename);
    let marker = relocate(&plan).unwrap();
    assert_eq!(relocate(&plan).unwrap(), marker, "once more is the same");
    assert_eq!(full(&stand.at("new home/data"), &[]), before);
    assert!(!request.path.as_path().exists());
    drop(stand.ready(&there, Some(&Known { path: there.path.clone(), ..known.clone() })));
    let back = homeport_volumes::adopt::Relocation { from: plan.to.clone(), to: plan.from.clone(), ..plan };
    relocate(&back).unwrap();
    drop(stand.ready(&request, Some(&known)));
}

fn move_words(stand: &Stand, request: &Request, known: &Known) -> String {
    match plan_move(&stand.machine, request, known) {
        Err(VolumeError::Refused(faults)) if faults.len() == 1 => {
            let text = format!("{} {}; {}", faults[0].code, faults[0], faults[0].remedy);
            text.replace(stand.dir.path().to_str().unwrap(), "")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_move_never_copies_and_never_takes_one_of_two() {
    let stand = Stand::new();
    let (_disk, request, known) = on_a_disk(&stand, "/home");
    let there = stand.request("far");
    let before = full(stand.dir.path(), &["disk.img", "disk/home/.homeport"]);
    assert_eq!(
        move_words(&stand, &there, &known),
        "HP-VOL-032 `/far` is on another file system than volume `home`: found `/disk/home` and `/far`, with another mount \
         between them, wanted two paths on one file system: HomePort moves by renaming and never by copying; copy it with \
         `rsync -aHAXS --numeric-ids '/disk/home/' '/far/'` (or `cp -a '/disk/home' '/far'`), move the old one aside with \
         `mv '/disk/home' '/disk/home.old'`, and repeat the command"
    );
    assert_eq!(full(stand.dir.path(), &["disk.img", "disk/home/.homeport"]), before);

    // The operator copies it as advised.
    run("cp", &["-a", request.path.as_str(), there.path.as_str()]);
    assert!(move_words(&stand, &there, &known).starts_with("HP-VOL-033"));
    fs::rename(stand.at("disk/home"), stand.at("disk/home.old")).unwrap();
    let plan = plan_move(&stand.machine, &there, &known).unwrap();
    assert_ne!(plan.becomes.fs, plan.found.fs);
    let marker = relocate(&plan).unwrap();
    drop(stand.ready(&there, Some(&Known::of(&marker, there.path.clone(), Remembered::Data))));
}

#[test]
fn a_copy_is_not_taken_while_the_old_disk_is_away() {
    let stand = Stand::new();
    let (mut disk, request, known) = on_a_disk(&stand, "/home");
    let there = stand.request("copy");
    run("cp", &["-a", request.path.as_str(), there.path.as_str()]);
    disk.unmount();
    let words = move_words(&stand, &there, &known);
    assert!(words.starts_with("HP-VOL-034") && words.contains("`homeport volume adopt`"), "{words}");
}

#[test]
fn a_volume_is_not_moved_onto_anything_into_itself_or_while_it_is_used() {
    let stand = Stand::new();
    let request = stand.default_request();
    let known = stand.filled(&request);
    fs::create_dir(stand.at("there")).unwrap();
    let before = full(stand.dir.path(), &["root/alice/home/.homeport"]);
    for (name, code) in [("there", "HP-VOL-003"), ("no/such", "HP-VOL-001"), ("root/alice/home/data/x", "HP-VOL-012")] {
        assert!(move_words(&stand, &stand.request(name), &known).starts_with(code), "{name}");
    }
    let used = Request { in_use_by: Some("container x".into()), ..stand.request("new") };
    assert!(move_words(&stand, &used, &known).starts_with("HP-VOL-011"));
    let _held = stand.ready(&request, Some(&known)).begin_use().unwrap();
    assert!(move_words(&stand, &stand.request("new"), &known).starts_with("HP-VOL-011"));
    assert_eq!(full(stand.dir.path(), &["root/alice/home/.homeport"]), before);
}

/// A directory in which somebody goes on writing while it is adopted is told, and nothing that was there is lost.
#[test]
fn a_name_that_comes_up_meanwhile_stops_the_adoption_and_loses_nothing() {
    let stand = Stand::new();
    fs::create_dir(stand.at("mail")).unwrap();
    fs::write(stand.at("mail/letter"), "old").unwrap();
    let request = stand.request("mail");
    let plan = directory_plan(&stand, &request);
    let guard = homeport_volumes::failpoint::arm("adopt.data", 1, homeport_volumes::failpoint::Blow::Crash);
    adopt_directory(&request, &plan, TX, UUID, NOW).unwrap_err();
    drop(guard);
    fs::write(stand.at("mail/letter"), "new").unwrap();
    assert!(matches!(adopt_directory(&request, &plan, TX, UUID, NOW), Err(VolumeError::Io { .. })));
    assert!(matches!(take_back(&request.path, TX), Err(VolumeError::Io { .. })));
    assert_eq!(fs::read_to_string(stand.at("mail/letter")).unwrap(), "new");
    assert_eq!(fs::read_to_string(stand.at("mail/.homeport/adopting/letter")).unwrap(), "old");
    assert!(matches!(check(&stand.machine, &request, None), Err(VolumeError::Refused(_))));
    fs::rename(stand.at("mail/letter"), stand.at("mail/newer")).unwrap();
    take_back(&request.path, TX).unwrap();
    assert_eq!(fs::read_to_string(stand.at("mail/letter")).unwrap(), "old");
    assert_eq!(fs::read_to_string(stand.at("mail/newer")).unwrap(), "new");
    assert!(matches!(plan_again(&stand, &request), Plan::Directory(_)));
}

fn plan_again(stand: &Stand, request: &Request) -> Plan {
    plan(&stand.machine, request, None, &mut |_| {}).unwrap()
}

/// Every durable step of an adoption and of its way back fails once, or is the last before a crash.
#[test]
fn each_step_of_an_adoption_can_fail_or_be_the_last() {
    use homeport_volumes::failpoint::{Blow, arm, record};
    let run_all = |stand: &Stand| {
        let request = stand.request("mail");
        let plan = directory_plan(stand, &request);
        adopt_directory(&request, &plan, TX, UUID, NOW).map(|_| ())
    };
    let fresh = || {
        let stand = Stand::new();
        fs::create_dir(stand.at("mail")).unwrap();
        messy(&stand.at("mail"));
        let before = whole(&stand.at("mail"), &[]);
        (stand, before)
    };
    let (stand, _) = fresh();
    let (done, points) = record(|| run_all(&stand));
    done.unwrap();
    let (_, back) = record(|| take_back(&stand.path("mail"), TX).unwrap());
    assert!(points.len() >= 12 && back.len() >= 6, "{points:?} {back:?}");
    let nth = |points: &[&'static str], at: usize| {
        let times = points[..=at].iter().filter(|name| **name == points[at]).count();
        u32::try_from(times).unwrap()
    };
    for at in 0..points.len() {
        for blow in [Blow::Crash, Blow::Error(rustix::io::Errno::NOSPC), Blow::Error(rustix::io::Errno::IO)] {
            let (stand, before) = fresh();
            let request = stand.request("mail");
            let plan = directory_plan(&stand, &request);
            let guard = arm(points[at], nth(&points, at), blow);
            adopt_directory(&request, &plan, TX, UUID, NOW).unwrap_err();
            drop(guard);
            let told = format!("{} {blow:?}", points[at]);
            if let Ok(Checked::Create(_)) = check(&stand.machine, &request, None) {
                panic!("{told}: something would be made here");
            }
            if at % 2 == 0 || points[at] == "adopt.make" {
                adopt_directory(&request, &plan, TX, UUID, NOW).unwrap();
                assert_eq!(whole(&stand.at("mail/data"), &[]), before, "{told}");
            }
            take_back(&request.path, TX).unwrap();
            if matches!(points[at], "adopt.make" | "adopt.record") && at % 2 == 1 {
                // Nothing was written down yet: only the time of the directory itself is lost, and only to a crash.
                assert_eq!(whole(&stand.at("mail"), &[])[1..], before[1..], "{told}");
            } else {
                assert_eq!(whole(&stand.at("mail"), &[]), before, "{told}");
            }
        }
    }
    for at in 0..back.len() {
        let (stand, before) = fresh();
        run_all(&stand).unwrap();
        let guard = arm(back[at], nth(&back, at), Blow::Crash);
        take_back(&stand.path("mail"), TX).unwrap_err();
        drop(guard);
        take_back(&stand.path("mail"), TX).unwrap();
        assert_eq!(whole(&stand.at("mail"), &[]), before, "{}", back[at]);
    }
}

/// A mount point is adopted like any directory, and the disk can go away and come back.
/// What has to be written down for the way back is more than a record holds: refused before the first name is moved.
#[test]
fn a_directory_with_more_attributes_than_can_be_written_down_is_left_alone() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::of_kind(stand.at("disk.img"), "xfs");
    disk.mount(&stand.at("disk"));
    let request = stand.request("disk/mine");
    let top = request.path.as_path();
    fs::create_dir(top).unwrap();
    fs::write(top.join("letter"), "dear reader").unwrap();
    for number in 0..2 {
        let value = vec![b'x'; 20 << 10];
        rustix::fs::setxattr(top, format!("user.large{number}"), &value, rustix::fs::XattrFlags::CREATE).unwrap();
    }
    let plan = directory_plan(&stand, &request);
    let error = adopt_directory(&request, &plan, TX, UUID, NOW).unwrap_err();
    let VolumeError::Io { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("wanted at most 65536"), "{error:?}");
    let mut names: Vec<_> = fs::read_dir(top).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".homeport", "letter"], "nothing is moved");
    // With less there is room for it.
    rustix::fs::removexattr(top, "user.large0").unwrap();
    adopt_directory(&request, &directory_plan(&stand, &request), TX, UUID, NOW).unwrap();
    assert_eq!(fs::read(top.join("data/letter")).unwrap(), b"dear reader");
}

#[test]
fn an_adopted_disk_is_known_by_its_file_system() {
    let stand = Stand::new();
    fs::create_dir(stand.at("disk")).unwrap();
    let mut disk = Disk::new(stand.at("disk.img"), 16 << 20, &[]);
    disk.mount(&stand.at("disk"));
    fs::write(stand.at("disk/letter"), "x").unwrap();
    fs::set_permissions(stand.at("disk"), fs::Permissions::from_mode(0o750)).unwrap();
    run("chown", &["1000:1000", stand.at("disk").to_str().unwrap()]);
    let request = stand.request("disk");
    let plan = directory_plan(&stand, &request);
    let marker = adopt_directory(&request, &plan, TX, UUID, NOW).unwrap();
    settle(&request.path, TX).unwrap();
    let known = Known::of(&marker, request.path.clone(), Remembered::Data);
    unmount(&stand.at("disk"));
    assert_eq!(stand.codes(&request, Some(&known)), ["HP-VOL-002"]);
}
