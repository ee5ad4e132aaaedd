//! Owns how everybody else fares while somebody means harm: the waits at another route with and without it, the daemon, and
//! what the daemon says of it.

use std::time::Duration;

use super::attack::Attack;
use super::attempt::{End, Tally};
use super::case::Extent;
use super::load::Load;
use super::port::Access;
use super::space::Space;
use super::stage::{ECHO, Stage};
use super::table::lines;

/// Clients a second at the route that nobody means harm.
const RATE: u32 = 200;
/// How long they come each time, and where it is only tried whether it works.
const TIME: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_secs(1);
/// What harm needs to begin, and what it leaves needs to go.
const SETTLED: Duration = Duration::from_millis(700);
/// The daemon may say so many lines of one kind of harm: that something began, that it ended.
const LINES: usize = 8;
/// The waits of 99 % may grow by this much.
const WORSE: f64 = 2.0;

/// What came of one kind of harm.
pub(super) struct Fared {
    attack: Attack,
    /// The medians of what 99 % of the clients waited at most, in milliseconds.
    quiet: f64,
    under: f64,
    failed: usize,
    lines: usize,
    wrongs: Vec<String>,
}

/// Does one kind of harm, with and without it by turns.
pub(super) fn attacked(stage: &Stage, from: &Space, deaf: &Space, attack: Attack, extent: Extent) -> Fared {
    let (rounds, time) = if extent == Extent::Full { (5, TIME) } else { (1, SHORT) };
    let port = stage.port(Access::Exclusive, attack.endpoint());
    let (mut quiet, mut under, mut failed, mut wrongs) = (Vec::new(), Vec::new(), 0, Vec::new());
    let (daemon, said) = (stage.daemon(), stage.log().lines().count());
    for round in 0..rounds {
        for is_under in [round % 2 == 0, round % 2 != 0] {
            let harm = is_under.then(|| attack.begin(from, deaf, port));
            std::thread::sleep(SETTLED);
            let (p99, tally) = waits(stage, time);
            failed += tally.all_failed();
            if tally.all_failed() > 0 {
                let under = if is_under { "under it" } else { "without it" };
                wrongs.push(format!("clients of another route failed {under}: {:?}", tally.failed));
            }
            if is_under { &mut under } else { &mut quiet }.push(p99);
            drop(harm);
            std::thread::sleep(SETTLED);
        }
    }
    let log = stage.log();
    let new: Vec<&str> = log.lines().skip(said).collect();
    if new.len() > LINES {
        wrongs.push(format!("the daemon said {} lines, such as: {}", new.len(), new.last().unwrap_or(&"")));
    }
    if stage.daemon() != daemon {
        wrongs.push("it is another daemon".to_owned());
    }
    let (quiet, under) = (median(quiet), median(under));
    if extent == Extent::Full && under > quiet * WORSE {
        wrongs.push(format!("99 % waited {under:.2} ms at another route, and {quiet:.2} ms without it"));
    }
    Fared { attack, quiet, under, failed, lines: new.len(), wrongs }
}

/// What 99 % of some seconds' clients of the other route waited at most, in milliseconds, and what became of all.
fn waits(stage: &Stage, time: Duration) -> (f64, Tally) {
    let load = Load::start(&stage.space, stage.address(Access::Shared, ECHO), RATE);
    std::thread::sleep(time);
    let attempts = load.end();
    let answered = attempts.iter().filter(|attempt| attempt.end == End::Answered);
    let mut waits: Vec<Duration> = answered.map(|attempt| attempt.ended.duration_since(attempt.begun)).collect();
    waits.sort_unstable();
    let p99 = waits.get((waits.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(Duration::MAX);
    (p99.as_secs_f64() * 1e3, Tally::of(&attempts, &[]))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Tells all, and returns what was wrong.
pub(super) fn tell(all: &[Fared]) -> Vec<String> {
    let head = ["attack", "p99 without, ms", "p99 under, ms", "ratio", "failed elsewhere", "lines said", "verdict"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.iter().map(|one| {
        [
            one.attack.word().to_owned(),
            format!("{:.2}", one.quiet),
            format!("{:.2}", one.under),
            format!("{:.2}", one.under / one.quiet),
            one.failed.to_string(),
            one.lines.to_string(),
            if one.wrongs.is_empty() { "right" } else { "WRONG" }.to_owned(),
        ]
    }));
    eprint!("\n{}\n", lines(&rows));
    for one in all {
        let word = one.attack.word();
        eprintln!("metric=router_hostile_{word}_p99_vs_quiet ratio={:.3}", one.under / one.quiet);
        eprintln!("metric=router_hostile_{word}_failed_elsewhere value={}", one.failed);
        eprintln!("metric=router_hostile_{word}_lines_said value={}", one.lines);
    }
    all.iter().flat_map(|one| one.wrongs.iter().map(|wrong| format!("{}: {wrong}", one.attack.word()))).collect()
}
