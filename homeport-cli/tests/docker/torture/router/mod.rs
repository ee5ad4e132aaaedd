//! What clients of a public address notice of everything that happens behind it: the real program, the real engine, clients
//! that come from a network of their own at a rate, whatever becomes of those before them, and some that stay.
//!
//! Wanted is that nobody fails who was not on the way when something was killed, and that no connection breaks whose
//! container lives. A *switch* is what an operator has of it: `upgrade` between two versions that may have the volume at once,
//! the new one ready first. A *hold* is `restart` of a port whose volume only one container may have: it is stopped first.
//!
//! A few of each run with all the other tests; `cargo xtask torture router` runs all of them on every backend, at each rate.

mod accelerator;
mod attack;
mod attempt;
mod case;
mod elsewhere;
mod hostile;
mod little;
mod load;
mod long;
mod path;
mod port;
mod queue;
mod space;
mod stage;
mod table;
mod trial;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::attack::Attack;
use self::attempt::{End, Tally};
use self::case::{Backend, Extent};
use self::hostile::Attackers;
use self::load::Load;
use self::path::Path;
use self::port::Access;
use self::queue::Queue;
use self::space::Space;
use self::stage::{ECHO, Stage};
use super::chance::Chance;

/// What the environment says, or what a test that runs with all the others does.
fn asked(name: &str, usual: &str) -> Vec<String> {
    let text = std::env::var(format!("HOMEPORT_TORTURE_{name}")).unwrap_or_else(|_| usual.to_owned());
    text.split(',').map(str::to_owned).collect()
}

/// As many files as this process may open, from now on.
fn most_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap())
}

/// The backends that are tried.
fn backends() -> Vec<Backend> {
    asked("BACKENDS", "builtin").iter().map(|word| Backend::of(word)).collect()
}

/// How often everything is done.
fn extent() -> Extent {
    if asked("EXTENT", "few") == ["full"] { Extent::Full } else { Extent::Few }
}

#[test]
fn hostile_clients_of_one_route_end_no_daemon_and_slow_no_other_route_down() {
    let mut stage = Stage::make("hostile", &["echo", "mute", "hasty"]);
    let (from, deaf) = (Space::make(1), Space::deaf(2));
    let mut wrongs = Vec::new();
    for backend in backends() {
        if let Err(wrong) = stage.carry_by(backend) {
            wrongs.push(format!("{}: {wrong}", backend.word()));
            continue;
        }
        eprintln!("torture: hostile clients, {}", backend.word());
        let only = asked("CASES", "");
        let attacks = Attack::all(extent()).into_iter();
        let attacks = attacks.filter(|attack| only == [""] || only.iter().any(|word| word == attack.word()));
        let each =
            attacks.flat_map(|attack| Attackers::all(extent()).iter().map(move |attackers| (attack, *attackers)));
        let all: Vec<_> = each
            .map(|(attack, attackers)| hostile::attacked(&stage, [&from, &deaf], attack, attackers, extent()))
            .collect();
        if all.is_empty() {
            wrongs.push(format!("{}: no kind of harm is called {}", backend.word(), only.join(" or ")));
        }
        wrongs.extend(hostile::tell(&all).into_iter().map(|wrong| format!("{}: {wrong}", backend.word())));
    }
    assert!(wrongs.is_empty(), "something was wrong:\n{}\n{}", wrongs.join("\n"), stage.log());
}

#[test]
fn a_daemon_with_few_descriptors_and_little_memory_serves_on_under_a_crowd() {
    let stage = Stage::make("little", &[ECHO]);
    let (from, deaf) = (Space::make(1), Space::deaf(2));
    let bound = stage.with_little().unwrap();
    let (daemon, said) = (stage.daemon(), stage.log().lines().count());
    let port = stage.port(Access::Exclusive, ECHO);
    let harm = [Attack::Crowd, Attack::SlowReaders].map(|attack| attack.begin(&from, &deaf, port, None));
    std::thread::sleep(Duration::from_secs(1));
    let load = Load::start(&stage.space, stage.address(Access::Shared, ECHO), 100);
    std::thread::sleep(Duration::from_secs(5));
    let tally = Tally::of(&load.end(), &[]);
    drop(harm);
    let log = stage.log();
    let said: Vec<&str> = log.lines().skip(said).collect();
    eprintln!(
        "torture: {} files, at most {:?} MiB: {} came, {:?} failed, the longest wait was {:.2?}; the daemon said:\n{}",
        little::FILES,
        bound.most(),
        tally.made,
        tally.failed,
        tally.longest,
        said.join("\n")
    );
    assert_eq!((tally.all_failed(), stage.daemon()), (0, daemon), "{tally:?}\n{log}");
    assert!(tally.made > 300 && said.len() <= 12, "{tally:?}\n{log}");
    // Who meant harm is gone, and the route is everybody's again.
    let server = stage.address(Access::Exclusive, ECHO);
    let after = Load::start(&stage.space, server, 20);
    std::thread::sleep(Duration::from_secs(2));
    let attempts = after.end();
    assert_eq!(attempts.last().map(|attempt| attempt.end), Some(End::Answered), "{log}");
}

#[test]
fn every_path_leads_to_the_port() {
    let mut stage = Stage::make("paths", &[ECHO]);
    let mut cells = vec![["path".to_owned(), "backend".to_owned(), "what came of it".to_owned()]];
    let mut wrongs = Vec::new();
    for backend in backends() {
        if let Err(wrong) = stage.carry_by(backend) {
            wrongs.push(format!("{}: {wrong}", backend.word()));
            continue;
        }
        for path in Path::ALL {
            let went = path.go(&stage);
            let came = went.as_ref().map_or_else(|said| format!("WRONG: {said}"), |()| "works".to_owned());
            cells.push([path.words().to_owned(), backend.word().to_owned(), came]);
            wrongs.extend(went.err().map(|said| format!("{}, {}: {said}", backend.word(), path.words())));
        }
    }
    eprint!("\n{}", table::lines(&cells));
    assert!(wrongs.is_empty(), "not every path leads to the port:\n{}", wrongs.join("\n"));
}

#[test]
fn no_client_fails_that_was_not_on_its_way_to_what_was_killed() {
    let extent = extent();
    let rates: Vec<u32> = asked("RATES", "300").iter().map(|text| text.parse().unwrap()).collect();
    let only = asked("CASES", "");
    let mut chance = Chance::new(super::seed(20_261_130));
    let queue = asked("QUEUE", "");
    let _queue = (queue != [""]).then(|| Queue::of(&queue[0]));
    eprintln!("torture: the kernel keeps {} clients waiting (net.core.somaxconn)", Queue::now());
    let mut stage = Stage::make("router", &[ECHO]);
    let mut rows = Vec::new();
    let mut wrongs = Vec::new();
    for backend in backends() {
        if let Err(wrong) = stage.carry_by(backend) {
            wrongs.push(format!("{}: {wrong}", backend.word()));
            continue;
        }
        for rate in &rates {
            for case in backend.cases() {
                if only != [""] && !only.iter().any(|word| word == case.word()) {
                    continue;
                }
                let row = trial::run(&mut stage, backend, *rate, case, extent, &mut chance);
                eprint!("torture: {}", table::table(std::slice::from_ref(&row)).lines().last().unwrap_or_default());
                eprintln!();
                rows.push(row);
            }
        }
    }
    eprint!("\n{}\n{}", table::table(&rows), table::metrics(&rows));
    for row in &rows {
        wrongs.extend(row.wrongs.iter().map(|wrong| format!("{} {}: {wrong}", row.backend.word(), row.case.word())));
    }
    let log = stage.log();
    let log: Vec<&str> = log.lines().rev().take(30).collect();
    let is_right = rows.iter().all(table::Row::is_right) && !rows.is_empty() && wrongs.is_empty();
    assert!(is_right, "something was wrong:\n{}\nthe daemon said at last:\n{}", wrongs.join("\n"), log.join("\n"));
}
