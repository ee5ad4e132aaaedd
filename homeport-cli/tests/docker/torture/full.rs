//! A disk is full from one moment of a change of version on: the version from before serves, it is said which disk it is,
//! and once there is room the next command works.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::client::about;
use super::journal::Journal;
use super::judge::{Meanwhile, Wanted, judge, log_of};
use super::port::{Age, Archives, Variant};
use super::subject::{NAME, Subject};
use super::tally::Tally;
use crate::disk::Disk;
use crate::world::{World, tool};

/// How long everything may take to be right once there is room.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many bytes the volume holds at least: what is copied has to be more than what a file system has left over.
const BULK: usize = 600_000;
/// The disks: what HomePort has on them, and how large they are, in MiB.
const DISKS: [(&str, u64); 4] = [("state", 24), ("store", 24), ("data", 24), ("run", 8)];

/// How many cases one HomePort sees: its store grows with each.
const CASES: usize = 10;

/// Where chance begins where nobody says it: a seed whose few cuts all hit, and hit different things.
const SEED: u64 = 104;

/// When a disk gets full.
#[derive(Debug, Clone, Copy)]
enum Full {
    /// As soon as a step of this name begins.
    In(&'static str),
    /// From the beginning, but for so many KiB.
    But(u64),
}

const MOMENTS: [Full; 24] = [
    Full::In("take_slot"),
    Full::In("check_port"),
    Full::In("read_ahead"),
    Full::In("hold_routes"),
    Full::In("quit_container"),
    Full::In("snapshot_present"),
    Full::In("copy_tree"),
    Full::In("migrate_tree"),
    Full::In("exchange_tree"),
    Full::In("use_volumes"),
    Full::In("prepare_run_dir"),
    Full::In("create_container"),
    Full::In("start_container"),
    Full::In("await_ready"),
    Full::In("point_route"),
    Full::In("soak"),
    Full::In("settle_tree"),
    Full::But(0),
    Full::But(16),
    Full::But(64),
    Full::But(200),
    Full::But(700),
    Full::But(1_500),
    Full::But(3_000),
];

/// The places of one HomePort, each on a disk of its own.
struct Disks {
    world_dir: PathBuf,
    _disks: Vec<Disk>,
}

impl Disks {
    /// Makes them below the world's root, which nothing was deployed to yet.
    fn make(world: &World) -> Self {
        let mut disks = Vec::new();
        for (name, size) in DISKS {
            let point = world.dir().join(format!("disk-{name}"));
            if name == "run" {
                // As on a real machine, where it is in memory.
                fs::create_dir(&point).unwrap();
                tool("mount", &["-t", "tmpfs", "-o", &format!("size={size}m"), "tmpfs", point.to_str().unwrap()]);
            } else {
                disks.push(Disk::at(&point.with_extension("img"), size, &point));
            }
            // HomePort's own directory has nothing beside it of which it does not know.
            let (inner, place) = (point.join("homeport"), world.root().join(name));
            fs::create_dir_all(&inner).and_then(|()| fs::create_dir_all(&place)).unwrap();
            tool("mount", &["--bind", inner.to_str().unwrap(), place.to_str().unwrap()]);
        }
        Self { world_dir: world.dir().to_owned(), _disks: disks }
    }

    fn ballast(&self, name: &str) -> PathBuf {
        self.world_dir.join(format!("disk-{name}/ballast"))
    }

    /// Leaves no room on a disk but for so many bytes.
    fn fill(&self, name: &str, but: u64) {
        let mut file = File::create(self.ballast(name)).unwrap();
        let free = rustix::fs::fstatvfs(&file).unwrap();
        let room = (free.f_bavail * free.f_frsize).saturating_sub(but);
        // As much at once as can be had, and then what is left in small pieces.
        let mut size = room;
        while size > 4096 && rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size).is_err() {
            size -= size / 64;
        }
        file.seek(SeekFrom::End(0)).unwrap();
        let full = but == 0;
        while full && file.write_all(&[0; 512]).is_ok() {}
        file.sync_all().ok();
    }

    fn free(&self, name: &str) {
        fs::remove_file(self.ballast(name)).ok();
    }
}

#[test]
fn a_disk_that_is_full_at_any_step_costs_nothing_and_is_named() {
    let wanted = super::count("HOMEPORT_TORTURE_FULL", 2);
    if wanted == 0 {
        return;
    }
    let (seed, tally) = (super::seed(SEED), Tally::default());
    let first = World::new();
    let archives = Archives::build("full");
    let images = archives.load();
    let mut chance = Chance::new(seed);
    let mut cases: Vec<(Full, &str)> =
        MOMENTS.into_iter().flat_map(|moment| DISKS.map(|(disk, _)| (moment, disk))).collect();
    // Shuffled, so that a few are not always the same.
    for at in (1..cases.len()).rev() {
        cases.swap(at, chance.below(at + 1));
    }
    cases.truncate(wanted);
    let lanes = super::count("HOMEPORT_TORTURE_LANES", 2);
    std::thread::scope(|scope| {
        for cases in cases.chunks(cases.len().div_ceil(lanes)) {
            let (first, archives, tally) = (&first, &archives, &tally);
            scope.spawn(move || fill_all(first, archives, cases, tally));
        }
    });
    drop((images, first));
    tally.finish("full disks");
}

fn fill_all(first: &World, archives: &Archives, cases: &[(Full, &str)], tally: &Tally) {
    let mut rest = cases;
    while !rest.is_empty() {
        let world = World::beside(first);
        // Declared after the world, and so unmounted before it is removed.
        let disks = Disks::make(&world);
        let mut subject = Subject::deploy(&world, archives, Variant::Alone);
        let mut chance = Chance::new(1);
        // What cannot be made smaller: a store compresses.
        let bulk: String =
            (0..BULK).map(|_| char::from(b"0123456789abcdefghijklmnopqrstuv"[chance.below(32)])).collect();
        subject.put("bulk", &bulk).unwrap();
        let (now, later) = rest.split_at(CASES.min(rest.len()));
        let wrong = now.iter().position(|(moment, disk)| !round(&mut subject, &disks, *moment, disk, tally));
        rest = wrong.map_or(later, |at| &rest[at + 1..]);
        if wrong.is_none() {
            for wrong in subject.remove() {
                tally.wrong(format!("full disks: {wrong}"));
            }
        } else if std::env::var_os("HOMEPORT_KEEP").is_some() {
            return;
        }
    }
}

/// One command while a disk gets full, one look, one command once there is room; whether the HomePort is good for another.
fn round(subject: &mut Subject<'_>, disks: &Disks, moment: Full, disk: &str, tally: &Tally) -> bool {
    let (world, age) = (subject.world, subject.age());
    let args: &[&str] = if age == Age::Older { &["upgrade", NAME] } else { &["rollback", NAME] };
    let journal = Journal::of(world);
    if let Full::But(kib) = moment {
        disks.fill(disk, kib * 1024);
    }
    let mut child =
        world.command().arg("--quiet").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_mins(2);
    let mut is_full = matches!(moment, Full::But(_));
    while child.try_wait().unwrap().is_none() {
        if let (Full::In(step), false) = (moment, is_full)
            && journal.is_at(step)
        {
            disks.fill(disk, 0);
            is_full = true;
        }
        assert!(Instant::now() < end, "`homeport {}` does not end", args.join(" "));
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or(-1);
    let mut wrongs = Vec::new();
    match (moment, code) {
        (Full::In(_), _) if !is_full => tally.missed(format!("`{disk}`, {moment:?}: was never full")),
        (Full::But(1..), 0) => tally.missed(format!("`{disk}`, {moment:?}: had room enough")),
        (_, 0) => tally.hit(format!("`{disk}`, {moment:?}: done")),
        _ => tally.hit(format!("`{disk}`, {moment:?}: ended with {code}")),
    }
    if code != 0 {
        wrongs.extend(names_the_disk(world, disk, &said));
        wrongs.extend(still_serves(subject, age));
    }
    disks.free(disk);
    let story = format!("`{disk}` full {moment:?}, `{}` ended with {code}: {}", args.join(" "), said.trim());
    let mut then = String::new();
    if code != 0 {
        let did = World::finish(world.command().arg("--quiet").args(args));
        then = format!("; with room again it ended with {}: {}", did.code, did.err.trim());
        if did.code != 0 {
            wrongs.push("the next command did not work though there was room".to_owned());
        }
    }
    match judge(subject, Wanted::Runs, Meanwhile::IsThere, PATIENCE) {
        Ok((after, put_aside)) => tally.right(&story, after, put_aside),
        Err(found) => wrongs.extend(found),
    }
    let is_right = wrongs.is_empty();
    if !is_right {
        tally.wrong(format!("{story}{then}:\n  {}\n{}", wrongs.join("\n  "), log_of(world)));
    }
    is_right
}

/// That an error says which place has no room, and what to do.
fn names_the_disk(world: &World, disk: &str, said: &str) -> Vec<String> {
    let place = world.root().join(disk).display().to_string();
    let is_said = said.contains("o space left") || said.contains("is full") || said.contains("room");
    let mut wrongs = Vec::new();
    if !is_said || !said.contains(&place) {
        wrongs.push(format!("it does not say that there is no room at `{place}`"));
    }
    if !said.contains("help: ") {
        wrongs.push("it does not say what to do".to_owned());
    }
    wrongs
}

/// That the version from before answers with the disk still full, and has the data from before.
fn still_serves(subject: &Subject<'_>, age: Age) -> Vec<String> {
    let format = subject.variant.format(age);
    let mut wrongs = Vec::new();
    match about(&subject.address, Duration::from_secs(10)) {
        Ok(found) if found == (age.version().to_owned(), format) => {}
        Ok(found) => wrongs.push(format!("with the disk full the address answers as {found:?}")),
        Err(error) => wrongs.push(format!("with the disk full the address does not answer: {error}")),
    }
    let data = subject.volume().join("data");
    for name in &subject.kept {
        let (file, bytes) = Age::note(format, name, &subject.tried[name]);
        if fs::read(data.join(&file)).is_ok_and(|found| found == bytes) {
            continue;
        }
        wrongs.push(format!("with the disk full `{file}` is not what was confirmed"));
    }
    wrongs.truncate(5);
    wrongs
}
