//! The engine is killed at random moments of changes of version, and started again over what it left.

use std::time::Duration;

use super::chance::Chance;
use super::cut::{self, Moment};
use super::engine::{Engine, Restore};
use super::judge::{Meanwhile, Wanted, judge, log_of};
use super::port::{Age, Archives, Variant};
use super::subject::{NAME, Subject};
use super::tally::Tally;
use crate::world::World;

/// Where chance begins where nobody says it: a seed whose few cuts all hit, and hit different things.
const SEED: u64 = 1;
/// How many times one engine is killed.
const ROUNDS: usize = 10;
/// How long everything may take to be right: what the engine stopped at its start is started again with growing pauses.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn one_command_after_a_kill_of_the_engine_everything_is_of_one_version() {
    let kills = super::count("HOMEPORT_TORTURE_ENGINE_KILLS", 1);
    if kills == 0 {
        return;
    }
    let (seed, tally) = (super::seed(SEED), Tally::default());
    let archives = Archives::build("engine");
    let first = World::new();
    let mut chance = Chance::new(seed);
    let mut done = 0;
    while done < kills {
        let rounds = ROUNDS.min(kills - done);
        done += rounds;
        // One row of draws for each: one that ends early changes nothing of the next.
        let mut chance = chance.fork();
        let restore = if chance.one_in(3) { Restore::Live } else { Restore::Stops };
        let variant = chance.pick(&Variant::ALL);
        // The thread enters the engine's network, and cannot leave it.
        std::thread::scope(|scope| {
            let (first, archives, tally, chance) = (&first, &archives, &tally, &mut chance);
            scope.spawn(move || kill_all(first, archives, (restore, variant), chance, rounds, tally));
        });
    }
    drop(first);
    tally.finish("kills of the engine");
}

fn kill_all(
    first: &World,
    archives: &Archives,
    (restore, variant): (Restore, Variant),
    chance: &mut Chance,
    rounds: usize,
    tally: &Tally,
) {
    let world = World::beside(first);
    let mut engine = Engine::start(world.dir().with_extension("engine"), restore);
    let world = world.with_engine(&engine.socket());
    archives.load_into(&engine.socket());
    // Declared after the engine, and so taken away before it: the engine has to be there for that.
    let mut subject = Subject::deploy(&world, archives, variant);
    if (0..rounds).all(|_| round(&mut subject, &mut engine, restore, chance, tally)) {
        for wrong in subject.remove() {
            tally.wrong(format!("{variant:?}: {wrong}"));
        }
    }
}

/// One kill, one command, one judgement; whether the HomePort is good for another.
fn round(subject: &mut Subject<'_>, engine: &mut Engine, restore: Restore, chance: &mut Chance, tally: &Tally) -> bool {
    let (world, variant) = (subject.world, subject.variant);
    // All of them, whatever comes of the round.
    let back: &[&str] = chance.pick(&[&["rollback", NAME][..], &["upgrade", NAME, "--to", "1.0.0"]]);
    let args = if subject.age() == Age::Older { &["upgrade", NAME][..] } else { back };
    let moment = Moment::draw(chance, Duration::from_secs(5));
    let both = chance.one_in(3);
    let one: &[&str] = chance.pick(&[&["repair"][..], &["start", NAME], &["restart", NAME], args]);
    let writer = subject.writer();
    let cut = cut::cut(world, args, moment, |child| {
        if both {
            child.kill().unwrap();
        }
        engine.kill();
    });
    let mut story = vec![format!(
        "{variant:?} {restore:?} `{}`: the engine{} was killed at {moment:?} ({})",
        args.join(" "),
        if both { " and the command" } else { "" },
        cut.stand.words
    )];
    let was_killed = !engine.runs();
    if !was_killed {
        // The command was faster.
        engine.kill();
    }
    let before = engine.ports();
    story.push(match &cut.ended {
        Some(did) => format!("the command ended with {}: {}", did.code, did.err.trim()),
        None => "the command was killed".to_owned(),
    });
    if was_killed {
        tally.hit(format!("{}: {}", variant.word(), cut.stand.words));
    } else {
        tally.missed(format!("{}: had ended before", variant.word()));
    }
    let took = engine.start_again();
    let kept = before.intersection(&engine.ports()).count();
    tally.then(format!("{restore:?}: {kept} of {} containers that ran when it was killed go on", before.len()));
    story.push(format!("it was there again after {:.1} s", took.as_secs_f32()));
    let did = World::finish(world.command().arg("--quiet").args(one));
    subject.wrote(writer.stop());
    story.push(format!("then `{}` ended with {}: {}", one.join(" "), did.code, did.err.trim()));
    tally.then(format!("`{}`", one[0]));
    let meanwhile = Meanwhile::after(variant, &cut.stand);
    match judge(subject, Wanted::Runs, meanwhile, PATIENCE) {
        Ok((after, put_aside)) if did.code == 0 => {
            tally.right(&story.join("; "), after, put_aside);
            true
        }
        judged => {
            let found = judged.err().unwrap_or_default().join("\n  ");
            tally.wrong(format!("{}:\n  {found}\n{}", story.join("; "), log_of(world)));
            false
        }
    }
}
