//! New versions that are no good, each a built image: whatever is wrong with one, the old version serves the old data
//! afterwards, nothing of the new one is left, and the message names the cause, in the new version's words where it has some.

use super::disk::Disk;
use super::fixture::{TestImage, dockerfile};
use super::old_version::{BOTH, Clients, Old, STEP, Version, Volumes};
use super::refused_image::quoted;
use super::world::{World, docker};

/// What a step of a migration does that does its work.
const MIGRATES: &str = "migrate) echo 3 > /srv/site/format; exit 0 ;;";

fn step(seconds: u32) -> String {
    STEP.replace("SECONDS", &seconds.to_string())
}

/// Tries these versions on an instance of the old one, of each of these kinds. What is told is the same for all kinds.
fn each_is_survived(id: &str, kinds: &[Volumes], cases: &[(&str, Clients, Version<'_>)]) {
    let mut told: Vec<(String, String)> = Vec::new();
    for volumes in kinds.iter().copied() {
        let image = Version::old(id).build(volumes);
        let versions: Vec<TestImage> = cases.iter().map(|(.., version)| version.build(volumes)).collect();
        let old = Old::deploy(World::new(), &image.name, None);
        for ((name, clients, _), next) in cases.iter().zip(&versions) {
            let clients = match (clients, volumes) {
                (Clients::Wait, Volumes::Shared) => Clients::Served,
                (clients, _) => *clients,
            };
            let message = old.survives(&["--to", &next.name], clients);
            match told.iter().find(|(told, _)| told == name) {
                Some((_, before)) => assert_eq!(&message, before, "{name} {volumes:?}"),
                None => told.push(((*name).to_owned(), message)),
            }
        }
    }
    for (name, message) in told {
        insta::assert_snapshot!(name, message);
    }
}

#[test]
fn a_version_that_does_not_run_is_left_again() {
    let (id, step) = ("t-bad-start", step(20));
    let next = |number, phases| Version { number, ..Version::next(id, &step, phases) };
    let crashes = ["sh", "-c", "echo cannot find my own configuration >&2; exit 78"];
    let sleeps = ["sh", "-c", "echo waiting for something; exec sleep 1000"];
    // Not before anybody has seen that it was ready, and before the host has looked on for 2 s.
    let ends = format!(
        "{MIGRATES}\nrun) (until grep -qs '\"ready\"' /run/port/status.json; do sleep 0.1; done; sleep 1.5; kill -TERM 1) & ;;"
    );
    each_is_survived(
        id,
        &BOTH,
        &[
            ("crashes_at_its_start", Clients::Wait, Version { service: &crashes, ..next("1.1.0", MIGRATES) }),
            (
                "is_never_ready",
                Clients::Wait,
                Version { service: &sleeps, ready_seconds: 2, ..next("1.2.0", MIGRATES) },
            ),
            ("ends_when_it_was_ready", Clients::Moved, next("1.3.0", &ends)),
        ],
    );
}

#[test]
fn a_migration_that_does_not_do_its_work_costs_nothing_but_a_copy() {
    let (id, step) = ("t-bad-work", step(20));
    let next = |number, phases| Version { number, ..Version::next(id, &step, phases) };
    let halfway = "migrate) rm /srv/site/index.html; echo half > /srv/site/letters/all; say 83 'there is no room in this page' ;;";
    let outside = "migrate) echo 3 > /srv/other/format || say 82 'the other volume cannot be written' ;;";
    let lies = "migrate) exit 0 ;;\n\
                check) if grep -q '\"format\": *3' /run/port/volumes.json && [ ! -e /srv/site/format ]; then \
                say 65 'there is no file format, which every site of format 3 has'; fi ;;";
    each_is_survived(
        id,
        &BOTH,
        &[
            ("fails_cleanly", Clients::Wait, next("1.1.0", "migrate) say 82 'this page is none that I know' ;;")),
            ("fails_half_way", Clients::Wait, next("1.2.0", halfway)),
            ("writes_outside_of_its_volume", Clients::Wait, next("1.3.0", outside)),
            ("exits_0_without_doing_its_work", Clients::Wait, next("1.4.0", lies)),
        ],
    );
}

/// The clients of the old version, which was stopped for it, wait no longer than the time of the step and of the container's end.
#[test]
fn a_migration_that_hangs_is_ended_when_its_time_is_over() {
    let (id, step) = ("t-bad-hang", step(2));
    // Not even a signal ends it: a shell that is PID 1 does not hear it.
    let hangs = "migrate) rm /srv/site/index.html; echo counting pages; while :; do sleep 1; done ;;";
    each_is_survived(id, &[Volumes::Exclusive], &[("hangs", Clients::Wait, Version::next(id, &step, hangs))]);
}

/// A step that fills the disk.
const FILLS: &str = "migrate) cat /dev/zero > /srv/site/pages; say 83 'no room for the pages' ;;";

/// The old version goes on serving from the disk that is full meanwhile.
#[test]
fn a_migration_that_fills_the_disk_gives_it_back() {
    let (id, step) = ("t-bad-fill", step(60));
    let image = Version::old(id).build(Volumes::Shared);
    let next = Version::next(id, &step, FILLS).build(Volumes::Shared);
    let world = World::new();
    let disk = Disk::new(world.dir(), "disk");
    let site = disk.point().join("site");
    std::fs::create_dir(&site).unwrap();
    let old = Old::deploy(world, &image.name, Some(&site));
    insta::assert_snapshot!("fills_the_disk", old.survives(&["--to", &next.name], Clients::Served));
}

/// The ledger and `/run/port` are on the disk that is full: until the copy is thrown away nothing can be written down, the new
/// version can say what is wrong on standard error alone, and the old one has been stopped.
#[test]
fn a_migration_that_fills_the_disk_of_the_ledger_gives_it_back() {
    let (id, step) = ("t-bad-full", step(60));
    let image = Version::old(id).build(Volumes::Exclusive);
    let next = Version::next(id, &step, FILLS).build(Volumes::Exclusive);
    let world = World::new();
    let _disk = Disk::new(world.dir(), "hp");
    let old = Old::deploy(world, &image.name, None);
    insta::assert_snapshot!("fills_the_disk_of_the_ledger", old.survives(&["--to", &next.name], Clients::Wait));
}

#[test]
fn a_version_that_may_not_follow_is_refused_before_anything_is_touched() {
    let (id, step) = ("t-bad-rules", step(20));
    let volumes = Volumes::Exclusive;
    let mut first = Version::old(id).build(volumes);
    // Another image takes its name, and its version.
    docker(&["tag", &first.name, "homeport-test/t-bad-first:1"]);
    let named = std::mem::replace(&mut first.name, "homeport-test/t-bad-first:1".to_owned());
    let twin = Version { more: "\n[endpoints.http2]\nport = 8081\nprotocol = \"http\"\n", ..Version::old(id) };
    let twin = twin.build(volumes);
    assert_eq!(twin.name, named);
    let lower = Version { number: "1.1.0", format: 1, ..Version::old(id) }.build(volumes);
    let from_3 = step.replace("from = 2", "from = 3").replace("to = 3", "to = 4");
    let gap = Version { number: "1.2.0", format: 4, more: &from_3, ..Version::old(id) }.build(volumes);
    let added = "\n[volumes.more]\npath = \"/srv/more\"\nformat = 1\nuid = 0\ngid = 0\nmode = \"0755\"\n";
    let bump = Version { number: "1.0.1", more: added, ..Version::old(id) }.build(volumes);
    let chain = step.clone() + &from_3;
    let whole = Version { number: "1.3.0", format: 4, more: &chain, ..Version::old(id) }.build(volumes);
    let broken = relabelled("bad-chain", &whole, &[("\"from\":2", "\"from\":1"), ("\"to\":3", "\"to\":2")], "1.0");
    let protocol = relabelled("bad-protocol", &whole, &[("\"protocol\":\"1.0\"", "\"protocol\":\"2.0\"")], "2.0");

    let old = Old::deploy(World::new(), &first.name, None);
    for (name, image) in [
        ("lower_format", &lower),
        ("gap_in_the_chain", &gap),
        ("chain_with_a_hole", &broken),
        ("wrong_bump", &bump),
        ("same_version_with_other_content", &twin),
        ("unknown_protocol", &protocol),
    ] {
        insta::assert_snapshot!(name, old.survives(&["--to", &image.name], Clients::Served));
    }
    // Where no version is named, one that cannot be used is not passed over in silence.
    drop((lower, gap, bump, whole, twin));
    docker(&["tag", &protocol.name, &format!("homeport/{id}:2.0.0")]);
    let _tag = TestImage { name: format!("homeport/{id}:2.0.0") };
    insta::assert_snapshot!("only_an_unknown_protocol", old.survives(&[], Clients::Served));
}

/// The same image with another manifest in its label.
fn relabelled(name: &str, image: &TestImage, changes: &[(&str, &str)], protocol: &str) -> TestImage {
    let format = "{{index .Config.Labels \"io.homeport.manifest\"}}";
    let mut label = docker(&["image", "inspect", "--format", format, &image.name]);
    for (from, to) in changes {
        assert!(label.contains(from), "{from} in {label}");
        label = label.replacen(from, to, 1);
    }
    let labels = format!("LABEL io.homeport.manifest={} io.homeport.protocol={protocol}", quoted(&label));
    dockerfile(name, &format!("FROM {}\n{labels}\n", image.name))
}
