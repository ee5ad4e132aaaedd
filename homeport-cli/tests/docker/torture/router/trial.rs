//! Owns one case: clients come, some stay, something is done as often as it is to be, and what became of them all is told.

use std::time::Duration;

use super::attempt::{Blow, Tally};
use super::case::{Backend, Case, Extent};
use super::load::Load;
use super::long::{Broken, Longs};
use super::stage::{ECHO, Stage, has_ended, instance};
use super::table::Row;
use crate::torture::chance::Chance;

/// Clients come for so long before and after.
const AROUND: Duration = Duration::from_secs(1);
/// The least between two blows; chance adds up to as much again.
const BETWEEN: Duration = Duration::from_millis(400);

/// Tries one case.
pub(super) fn run(
    stage: &mut Stage,
    backend: Backend,
    asked: u32,
    case: Case,
    extent: Extent,
    chance: &mut Chance,
) -> Row {
    let server = stage.address(case.access(), ECHO);
    let times = case.times(extent);
    let (mut blows, mut broken, mut wrongs) = (Vec::new(), Vec::new(), Vec::new());
    let mut longs = Longs::to(&stage.space, server);
    wrongs.extend(longs.fill(&stage.run_of(case.access())).err());
    let load = Load::start(&stage.space, server, asked);
    std::thread::sleep(AROUND);
    for time in 1..=times {
        match act(stage, case) {
            Ok(blow) => blows.extend(blow),
            Err(wrong) => wrongs.push(format!("{} {time}: {wrong}", case.word())),
        }
        if matches!(case, Case::ContainerKilled | Case::ContainerRestarted) {
            // The daemon waits longer each time with an instance that ends again and again, until somebody does something about it.
            stage.forgive();
        }
        std::thread::sleep(BETWEEN + chance.within(BETWEEN));
        broken.extend(longs.broken());
        let filled = longs.fill(&stage.run_of(case.access()));
        wrongs.extend(filled.err().map(|wrong| format!("{} {time}: {wrong}", case.word())));
    }
    std::thread::sleep(AROUND);
    let attempts = load.end();
    broken.extend(longs.end());
    let blows = if case.kills() { blows } else { Vec::new() };
    let tally = Tally::of(&attempts, &blows);
    let without = broken.iter().filter(|one| !case.breaks_long(backend) && !has_ended(&one.with));
    let without: Vec<&Broken> = without.collect();
    for one in &without {
        wrongs.push(format!("a long connection ended ({}) and its container did not: {}", one.end.word(), one.with));
    }
    for (end, [at, took]) in &tally.first {
        let word = end.word();
        eprintln!(
            "torture: {}: the first that was {word} came {at:.1?} after the start, and took {took:.1?}",
            case.word()
        );
    }
    let (long_without, long_with) = (without.len(), broken.len() - without.len());
    Row { backend, asked, case, times, tally, long_with, long_without, wrongs }
}

/// Does it once, and waits until it is over; when what was killed was killed.
fn act(stage: &mut Stage, case: Case) -> Result<Option<Blow>, String> {
    match case {
        Case::Switch => stage.switch().map(|()| None),
        Case::Hold => stage.homeport(&["restart", instance(case.access())]).map(|()| None),
        Case::ContainerKilled => stage.engine("kill").map(Some),
        Case::ContainerRestarted => stage.engine("restart").map(Some),
        Case::DaemonRestarted => stage.homeport(&["daemon", "restart"]).map(|()| None),
        Case::DaemonKilled => stage.kill_daemon().map(Some),
        Case::TableDeleted => stage.delete_table().map(|()| None),
        Case::ProxyReloaded => stage.reload_proxy().map(|()| None),
        Case::ProxyKilled => stage.kill_proxy().map(Some),
    }
}
