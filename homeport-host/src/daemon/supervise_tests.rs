//! What is decided about instances that ended, step by step.

use super::*;
use crate::engine::ExitCode;

fn exit(code: i64) -> ExitFacts {
    ExitFacts { code: ExitCode::new(code), memory: MemoryEnd::Enough, at: None, message: String::new() }
}

fn name() -> InstanceName {
    "site".parse().unwrap()
}

/// The record after its `n`th change.
fn mark(n: u32) -> Mark {
    let changed = format!("2026-11-23T04:00:{n:02}.000Z").parse().unwrap();
    Mark { changed, container: Some(format!("{n:064x}").parse().unwrap()) }
}

/// The record after a start that was taken back: it has no container.
fn bare(n: u32) -> Mark {
    Mark { container: None, ..mark(n) }
}

fn again(seconds: u64) -> Decision {
    Decision::Again(Duration::from_secs(seconds))
}

#[test]
fn the_exit_code_decides_whether_it_is_tried_again() {
    let lasting = [0, 1, 69, 71, 75, 84, 85, 137, 139, 2, 255, 125];
    let final_ones = [64, 65, 66, 70, 73, 74, 76, 77, 78, 80, 81, 82, 83];
    for (codes, tried) in [(&lasting[..], true), (&final_ones[..], false)] {
        for code in codes {
            let mut supervisor = Supervisor::default();
            let decision = supervisor.down(&name(), &mark(1), Down::Ended(&exit(*code)), Instant::now());
            assert_eq!(matches!(decision, Decision::Again(_)), tried, "{code}: {decision:?}");
            assert_eq!(supervisor.is_left(&name()), !tried, "{code}");
            assert_eq!(supervisor.next_due().is_some(), tried, "{code}");
        }
    }
    let starved = ExitFacts { memory: MemoryEnd::OutOfMemory, ..exit(70) };
    assert_eq!(decide(Some(&starved), 1), again(1), "want of memory says nothing about the port's own code");
    assert_eq!(decide(Some(&exit(84)), 9), again(60), "space is waited for");
}

#[test]
fn one_end_counts_once_however_often_it_is_seen() {
    let (mut supervisor, now) = (Supervisor::default(), Instant::now());
    let crashed = exit(69);
    assert_eq!(supervisor.down(&name(), &mark(1), Down::Ended(&crashed), now), again(1));
    for _ in 0..10 {
        assert_eq!(supervisor.down(&name(), &mark(1), Down::Ended(&crashed), now), Decision::AsDecided);
    }
    assert_eq!(supervisor.take_due(now), []);
    let later = now + Duration::from_secs(1);
    assert_eq!(supervisor.take_due(later), [(name(), mark(1).container)]);
    assert_eq!(supervisor.take_due(later), [], "it is being started");
    assert_eq!(supervisor.down(&name(), &mark(1), Down::Ended(&crashed), later), Decision::AsDecided);
    assert_eq!(supervisor.tried(&name(), Some(mark(2)), &Tried::Up, later), Decision::AsDecided);
    assert_eq!(
        supervisor.down(&name(), &mark(2), Down::Ended(&crashed), later),
        again(2),
        "its own start forgives not"
    );
}

#[test]
fn failed_starts_pause_longer_each_time_and_come_to_an_end() {
    let (mut supervisor, mut now) = (Supervisor::default(), Instant::now());
    let crashed = exit(69);
    assert_eq!(supervisor.down(&name(), &mark(1), Down::Ended(&crashed), now), again(1));
    let mut pauses = Vec::new();
    for n in 2..=6 {
        now = supervisor.next_due().unwrap();
        assert_eq!(supervisor.take_due(now).len(), 1);
        pauses.push(supervisor.tried(&name(), Some(bare(n)), &Tried::Failed(Some(crashed.clone())), now));
    }
    assert_eq!(pauses[..4], [again(2), again(4), again(8), again(16)]);
    assert!(matches!(&pauses[4], Decision::Leave(why) if why.contains("6th time")), "{:?}", pauses[4]);
    for _ in 0..10 {
        now += Duration::from_secs(30);
        assert_eq!(supervisor.down(&name(), &bare(6), Down::Without, now), Decision::AsDecided, "it is left alone");
        assert_eq!(supervisor.take_due(now), []);
    }
}

#[test]
fn what_is_left_alone_stays_so_until_somebody_does_something() {
    let now = Instant::now();
    for code in [78, 81] {
        let mut supervisor = Supervisor::default();
        assert_eq!(supervisor.down(&name(), &bare(1), Down::Without, now), Decision::Again(Duration::ZERO));
        assert_eq!(supervisor.take_due(now), [(name(), None)]);
        let failed = supervisor.tried(&name(), Some(bare(2)), &Tried::Failed(Some(exit(code))), now);
        assert!(matches!(failed, Decision::Leave(_)), "{code}");
        assert_eq!(supervisor.down(&name(), &bare(2), Down::Without, now), Decision::AsDecided);
        assert!(supervisor.is_left(&name()) && supervisor.next_due().is_none());
        // A command was run: the record is another.
        assert_eq!(supervisor.down(&name(), &bare(3), Down::Without, now), Decision::Again(Duration::ZERO));
    }
}

#[test]
fn a_start_by_somebody_else_is_a_clean_sheet() {
    let (mut supervisor, now) = (Supervisor::default(), Instant::now());
    for n in 1..=3 {
        supervisor.down(&name(), &mark(n), Down::Ended(&exit(69)), now);
        let due = supervisor.next_due().unwrap();
        assert_eq!(due, now + Duration::from_secs(1 << (n - 1)));
        supervisor.take_due(due);
        supervisor.tried(&name(), Some(mark(n + 1)), &Tried::Up, now);
        supervisor.runs(&name(), &mark(n + 1));
    }
    assert_eq!(supervisor.down(&name(), &mark(4), Down::Ended(&exit(69)), now), again(8));
    supervisor.runs(&name(), &mark(9));
    assert_eq!(supervisor.next_due(), None, "what was due is not any more");
    assert_eq!(supervisor.down(&name(), &mark(9), Down::Ended(&exit(69)), now), again(1));
    let due = supervisor.next_due().unwrap();
    supervisor.take_due(due);
    supervisor.tried(&name(), Some(mark(10)), &Tried::Needless, due);
    assert_eq!(supervisor.down(&name(), &mark(10), Down::Ended(&exit(69)), due), again(1));
}

#[test]
fn what_is_not_the_ports_fault_does_not_count() {
    let (mut supervisor, mut now) = (Supervisor::default(), Instant::now());
    supervisor.down(&name(), &mark(1), Down::Gone, now);
    for _ in 0..20 {
        now = supervisor.next_due().unwrap();
        supervisor.take_due(now);
        let put_off = Tried::PutOff(Duration::from_secs(5));
        assert_eq!(supervisor.tried(&name(), Some(mark(1)), &put_off, now), again(5));
    }
    now = supervisor.next_due().unwrap();
    supervisor.take_due(now);
    assert_eq!(supervisor.tried(&name(), Some(bare(2)), &Tried::Failed(None), now), again(2));
}

#[test]
fn a_good_time_between_failures_makes_them_forgotten() {
    let (mut supervisor, now) = (Supervisor::default(), Instant::now());
    supervisor.down(&name(), &mark(1), Down::Ended(&exit(69)), now);
    supervisor.take_due(now + Duration::from_secs(1));
    supervisor.tried(&name(), Some(mark(2)), &Tried::Up, now);
    let later = now + GOOD + Duration::from_secs(1);
    assert_eq!(supervisor.down(&name(), &mark(2), Down::Ended(&exit(69)), later), again(1));
}

#[test]
fn what_should_not_run_any_more_is_forgotten() {
    let (mut supervisor, now) = (Supervisor::default(), Instant::now());
    supervisor.down(&name(), &mark(1), Down::Ended(&exit(69)), now);
    supervisor.keep_only(&BTreeSet::new());
    assert_eq!(supervisor.next_due(), None);
    supervisor.down(&name(), &mark(1), Down::Ended(&exit(69)), now);
    supervisor.take_due(now + Duration::from_secs(1));
    assert_eq!(supervisor.tried(&name(), None, &Tried::Failed(None), now), Decision::AsDecided);
    assert_eq!(supervisor.next_due(), None);
}
