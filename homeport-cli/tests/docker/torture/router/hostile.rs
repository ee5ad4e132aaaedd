//! Owns how everybody else fares while somebody means harm: the waits at another route with and without it, the daemon, and
//! what the daemon says of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::attack::{Attack, Harm};
use super::attempt::{Attempt, End, Tally};
use super::case::Extent;
use super::elsewhere::Elsewhere;
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
/// What harm leaves needs to go.
const SETTLED: Duration = Duration::from_millis(700);
/// The daemon may say so many lines of one kind of harm: that something began, that it ended.
const LINES: usize = 8;
/// The waits of 99 % may grow by this much.
const WORSE: f64 = 2.0;

/// Whose processors those have who mean harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attackers {
    /// This machine's, as everybody else here.
    Here,
    /// What nobody else wants of them: they would be other machines.
    Elsewhere,
}

impl Attackers {
    /// Those that are tried.
    pub(super) const fn all(extent: Extent) -> &'static [Self] {
        match extent {
            Extent::Full => &[Self::Here, Self::Elsewhere],
            Extent::Few => &[Self::Here],
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What 99 % waited at most, in milliseconds; for ever where nobody was answered.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// Clients of the other route.
    routed: f64,
    /// Clients of its container that come there without any router: what the harm does to the machine itself.
    direct: f64,
}

impl Waits {
    fn median(all: &[Self]) -> Self {
        let of = |wait: fn(&Self) -> f64| median(all.iter().map(wait).collect());
        Self { routed: of(|waits| waits.routed), direct: of(|waits| waits.direct) }
    }
}

/// What came of one kind of harm.
pub(super) struct Fared {
    attack: Attack,
    attackers: Attackers,
    quiet: Waits,
    under: Waits,
    /// What was done a second.
    deeds: f64,
    failed: usize,
    /// Of those that came without any router.
    failed_direct: usize,
    lines: usize,
    wrongs: Vec<String>,
}

/// Does one kind of harm, with and without it by turns.
pub(super) fn attacked(
    stage: &Stage,
    [from, deaf]: [&Space; 2],
    attack: Attack,
    attackers: Attackers,
    extent: Extent,
) -> Fared {
    let (rounds, time) = if extent == Extent::Full { (5, TIME) } else { (1, SHORT) };
    let port = stage.port(Access::Exclusive, attack.endpoint());
    let elsewhere = (attackers == Attackers::Elsewhere).then(Elsewhere::make);
    let (mut quiet, mut under, mut deeds, mut wrongs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut failed, mut failed_direct) = (0, 0);
    // Asked for before anybody is timed.
    let ways = [stage.address(Access::Shared, ECHO), stage.inside(Access::Shared)];
    let (daemon, said) = (stage.daemon(), stage.log().lines().count());
    for round in 0..rounds {
        for is_under in [round % 2 == 0, round % 2 != 0] {
            let harm = is_under.then(|| attack.begin(from, deaf, port, elsewhere.as_ref()));
            std::thread::sleep(attack.begins_in());
            let (waits, [tally, direct]) = waits(&stage.space, ways, time);
            failed += tally.all_failed();
            failed_direct += direct.all_failed();
            if tally.all_failed() > 0 {
                let under = if is_under { "under it" } else { "without it" };
                wrongs.push(format!("clients of another route failed {under}: {:?}", tally.failed));
            }
            if is_under { &mut under } else { &mut quiet }.push(waits);
            deeds.extend(harm.map(Harm::end));
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
    let (quiet, under) = (Waits::median(&quiet), Waits::median(&under));
    if extent == Extent::Full && under.routed > quiet.routed * WORSE {
        wrongs.push(format!(
            "99 % waited {:.2} ms at another route, and {:.2} ms without it",
            under.routed, quiet.routed
        ));
    }
    if deeds.contains(&0.0) {
        wrongs.push("no harm was done once".to_owned());
    }
    Fared { attack, attackers, quiet, under, deeds: median(deeds), failed, failed_direct, lines: new.len(), wrongs }
}

/// What some seconds' clients of the other route waited, with the router and without it, and what became of both.
fn waits(space: &Space, [routed, direct]: [SocketAddr; 2], time: Duration) -> (Waits, [Tally; 2]) {
    let loads = [Load::start(space, routed, RATE), Load::start_here(direct, RATE)];
    std::thread::sleep(time);
    loads.iter().for_each(Load::stop);
    let all = loads.map(Load::end);
    let [routed, direct] = all.each_ref().map(|attempts| p99(attempts));
    (Waits { routed, direct }, all.map(|attempts| Tally::of(&attempts, &[])))
}

fn p99(attempts: &[Attempt]) -> f64 {
    let answered = attempts.iter().filter(|attempt| attempt.end == End::Answered);
    let mut waits: Vec<Duration> = answered.map(|attempt| attempt.ended.duration_since(attempt.begun)).collect();
    waits.sort_unstable();
    let p99 = waits.get((waits.len() * 99).div_ceil(100).saturating_sub(1));
    p99.map_or(f64::INFINITY, |wait| wait.as_secs_f64() * 1e3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Tells all, and returns what was wrong.
pub(super) fn tell(all: &[Fared]) -> Vec<String> {
    let head = [
        "attack",
        "attackers",
        "done a second",
        "p99 without, ms",
        "p99 under, ms",
        "ratio",
        "ratio without a router",
        "failed elsewhere",
        "failed without a router",
        "lines said",
        "verdict",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.iter().map(|one| {
        [
            one.attack.word().to_owned(),
            one.attackers.word().to_owned(),
            format!("{:.0} {}", one.deeds, one.attack.deeds()),
            format!("{:.2}", one.quiet.routed),
            format!("{:.2}", one.under.routed),
            format!("{:.2}", one.under.routed / one.quiet.routed),
            format!("{:.2}", one.under.direct / one.quiet.direct),
            one.failed.to_string(),
            one.failed_direct.to_string(),
            one.lines.to_string(),
            if one.wrongs.is_empty() { "right" } else { "WRONG" }.to_owned(),
        ]
    }));
    eprint!("\n{}\n", lines(&rows));
    for one in all {
        let name = format!("router_hostile_{}_{}", one.attack.word(), one.attackers.word());
        eprintln!("metric={name}_p99_vs_quiet ratio={:.3}", one.under.routed / one.quiet.routed);
        eprintln!("metric={name}_p99_without_router_vs_quiet ratio={:.3}", one.under.direct / one.quiet.direct);
        eprintln!("metric={name}_deeds_a_second value={:.0}", one.deeds);
        eprintln!("metric={name}_failed_elsewhere value={}", one.failed);
        eprintln!("metric={name}_lines_said value={}", one.lines);
    }
    let wrongs = all.iter().flat_map(|one| one.wrongs.iter().map(move |wrong| (one, wrong)));
    wrongs.map(|(one, wrong)| format!("{}, attackers {}: {wrong}", one.attack.word(), one.attackers.word())).collect()
}
