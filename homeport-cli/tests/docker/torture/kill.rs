//! `homeport` is killed at random moments of upgrades and of both ways back, its daemon now and then too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::cut::{self, Moment};
use super::journal::Journal;
use super::judge::{Meanwhile, Wanted, judge, log_of};
use super::port::{Age, Archives, Variant};
use super::subject::{NAME, Subject};
use super::tally::Tally;
use crate::world::World;

/// How many cuts one HomePort sees: its store and its trash grow with each.
const ROUNDS: usize = 15;
/// How long everything may take to be right after the one command: what retires is ended by the daemon later.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where chance begins where nobody says it: a seed whose few cuts all hit, and hit different things.
const SEED: u64 = 371;

/// What comes after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Repair,
    Start,
    Restart,
    Again,
    /// No command at all: a daemon is started, as after a start of the machine.
    Daemon,
}

/// How long changes take that nobody kills.
type Usual = BTreeMap<(Variant, Age), Duration>;

/// What chance wills for one round, all of it, whatever comes of the round.
#[derive(Debug)]
struct Draw {
    /// What leads to the older version, where the newer one runs.
    back: &'static [&'static str],
    wanted: Wanted,
    /// When the command is killed.
    cut: Moment,
    then: Then,
    /// Whether the daemon is killed as well.
    daemon: bool,
    /// When the repair is killed as well, where there is one.
    repair: Option<Duration>,
}

impl Draw {
    fn of(chance: &mut Chance, usual: Duration) -> Self {
        let back = chance.pick(&[&["rollback", NAME][..], &["upgrade", NAME, "--to", "1.0.0"]]);
        let wanted = if chance.one_in(8) { Wanted::Stopped } else { Wanted::Runs };
        let cut = Moment::draw(chance, usual);
        let then = chance.pick(&[Then::Repair, Then::Start, Then::Restart, Then::Again, Then::Again, Then::Daemon]);
        // What is stopped stays stopped: only what says nothing about that comes after it.
        let is_stopped = wanted == Wanted::Stopped;
        let then = if is_stopped && matches!(then, Then::Start | Then::Restart) { Then::Repair } else { then };
        let (daemon, repair) = (chance.one_in(5), chance.one_in(2));
        let after = chance.within(Duration::from_millis(1500));
        let daemon = then == Then::Daemon || (daemon && matches!(then, Then::Start | Then::Restart));
        Self { back, wanted, cut, then, daemon, repair: (repair && then == Then::Repair).then_some(after) }
    }
}

#[test]
fn one_command_after_a_kill_at_any_moment_everything_is_of_one_version() {
    let kills = super::count("HOMEPORT_TORTURE_KILLS", 4);
    if kills == 0 {
        return;
    }
    let (seed, tally) = (super::seed(SEED), Tally::default());
    let first = World::new();
    let archives = Archives::build("kill");
    let images = archives.load();
    let lanes = super::count("HOMEPORT_TORTURE_LANES", 2);
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (first, archives, tally) = (&first, &archives, &tally);
            let kills = (kills + lane) / lanes;
            let seed = seed + u64::try_from(lane).unwrap();
            scope.spawn(move || kill_all(first, archives, Chance::new(seed), kills, tally));
        }
    });
    drop((images, first));
    tally.finish("kills of `homeport`");
}

/// Kills so many times, in one HomePort after the other.
fn kill_all(first: &World, archives: &Archives, mut chance: Chance, kills: usize, tally: &Tally) {
    let mut usual = Usual::new();
    let mut done = 0;
    while done < kills {
        let world = World::beside(first);
        // One row of draws for each: one that ends early changes nothing of the next.
        let mut chance = chance.fork();
        let mut subject = Subject::deploy(&world, archives, chance.pick(&Variant::ALL));
        let mut goes_on = true;
        for _ in 0..ROUNDS {
            if done < kills && goes_on {
                done += 1;
                goes_on = round(&mut subject, &mut chance, &mut usual, tally);
            }
        }
        if goes_on {
            let variant = subject.variant;
            for wrong in subject.remove() {
                tally.wrong(format!("{variant:?}: {wrong}"));
            }
        } else if std::env::var_os("HOMEPORT_KEEP").is_some() {
            return;
        }
    }
}

/// One cut, one command, one judgement; whether the HomePort is good for another.
fn round(subject: &mut Subject<'_>, chance: &mut Chance, usual: &mut Usual, tally: &Tally) -> bool {
    let (world, variant, age) = (subject.world, subject.variant, subject.age());
    let takes = usual.entry((variant, age)).or_insert(Duration::from_secs(5));
    let draw = Draw::of(chance, *takes);
    let Draw { wanted, cut: moment, then, .. } = draw;
    let args = match age {
        Age::Older => &["upgrade", NAME][..],
        Age::Newer => draw.back,
    };
    if wanted == Wanted::Stopped {
        world.ok(&["stop", NAME]);
    }
    let writer = (wanted == Wanted::Runs).then(|| subject.writer());
    let cut = cut::kill(world, args, moment);
    let mut story = vec![format!("{variant:?} `{}` was killed at {moment:?} ({})", args.join(" "), cut.stand.words)];
    if let Some(did) = &cut.ended {
        *takes = cut.ran;
        if did.code != 0 {
            tally.wrong(format!("{story:?} ended before, with {}: {}", did.code, did.err));
        }
        tally.missed(format!("{}: had ended before", variant.word()));
    } else {
        tally.hit(format!("{}: {}", variant.word(), cut.stand.words));
    }
    if draw.daemon {
        cut::kill_daemon(world);
        story.push("its daemon was killed".to_owned());
    }
    if let Some(after) = draw.repair {
        let again = cut::kill(world, &["repair"], Moment::After(after));
        if again.ended.is_some() {
            story.push("the repair was to be killed as well and had ended before".to_owned());
            tally.missed(format!("{}: repair, had ended before", variant.word()));
        } else {
            story.push(format!("the repair was killed as well ({})", again.stand.words));
            tally.hit(format!("{}: repair, {}", variant.word(), again.stand.words));
        }
    }
    let ended = one_more(subject, then, args);
    if let Some(writer) = writer {
        subject.wrote(writer.stop());
    }
    story.push(format!("then {then:?}: {}", ended.clone().err().unwrap_or_else(|| "done".to_owned())));
    tally.then(format!("{then:?}{}", if draw.daemon { ", after the daemon was killed" } else { "" }));
    let meanwhile = Meanwhile::after(variant, &cut.stand);
    let mut judged = judge(subject, wanted, meanwhile, PATIENCE);
    if let (Ok(_), Wanted::Stopped) = (&judged, wanted) {
        world.ok(&["start", NAME]);
        judged = judge(subject, Wanted::Runs, Meanwhile::IsThere, PATIENCE);
        story.push("then it was started".to_owned());
    }
    let found = ended.err().map(|wrong| vec![wrong]).unwrap_or_default();
    match judged {
        Ok((after, put_aside)) if found.is_empty() => {
            tally.right(&story.join("; "), after, put_aside);
            true
        }
        judged => {
            let found: Vec<String> = found.into_iter().chain(judged.err().unwrap_or_default()).collect();
            tally.wrong(format!("{}:\n  {}\n{}", story.join("; "), found.join("\n  "), log_of(world)));
            false
        }
    }
}

/// The one command after a cut; the error is what was wrong with it.
fn one_more(subject: &mut Subject<'_>, then: Then, args: &[&str]) -> Result<(), String> {
    let world = subject.world;
    let args = match then {
        Then::Repair => &["repair"],
        Then::Start => &["start", NAME][..],
        Then::Restart => &["restart", NAME],
        Then::Again => args,
        Then::Daemon => {
            subject.start_daemon();
            let end = Instant::now() + Duration::from_mins(1);
            while !Journal::of(world).unfinished().is_empty() {
                if Instant::now() > end {
                    return Err("the daemon did not bring it to its end within 60 s".to_owned());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            // It starts what should run, if that was interrupted.
            std::thread::sleep(Duration::from_millis(200));
            return Ok(());
        }
    };
    let did = World::finish(world.command().arg("--quiet").args(args));
    // A rollback that had come to its end leads back again; an upgrade that had finds nothing to do.
    if did.code == 0 { Ok(()) } else { Err(format!("ended with {}: {}", did.code, did.err.trim())) }
}
