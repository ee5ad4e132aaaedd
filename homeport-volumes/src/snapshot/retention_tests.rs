//! Laws and rows of the retention policy.

use proptest::prelude::*;

use super::retention::{AlarmState, Candidate, Fate, Period, Policy, Proof, Protection, Reason, decide};
use crate::store::{Sequence, SnapshotUuid};

const NOON: i64 = 1_795_435_200; // Monday 2026-11-23 12:00 UTC

fn candidate(sequence: u32, taken: i64) -> Candidate {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&sequence.to_be_bytes());
    Candidate {
        uuid: SnapshotUuid::from_bytes(bytes),
        sequence: Sequence::new(sequence).unwrap(),
        taken,
        proof: Proof::Verified,
        protection: None,
    }
}

fn kept(snapshots: &[Candidate], policy: &Policy, alarm: AlarmState) -> Vec<SnapshotUuid> {
    decide(snapshots, policy, alarm)
        .into_iter()
        .filter(|(_, fate)| *fate != Fate::Remove)
        .map(|(uuid, _)| uuid)
        .collect()
}

/// The sequence numbers of what is kept, newest first.
fn numbers(snapshots: &[Candidate], policy: &Policy) -> Vec<u32> {
    let kept = kept(snapshots, policy, AlarmState::None);
    let mut numbers: Vec<u32> = snapshots.iter().filter(|s| kept.contains(&s.uuid)).map(|s| s.sequence.get()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers
}

fn days_ago(rows: &[(u32, i64)]) -> Vec<Candidate> {
    rows.iter().map(|(sequence, days)| candidate(*sequence, NOON - days * 86_400)).collect()
}

#[test]
fn each_line_keeps_the_newest_of_its_periods() {
    let none = Policy::default();
    // Every six hours, the newest at noon on Monday, 2026-11-23: sequence 400 and back.
    let quarter_days: Vec<_> = (0..400_u32).map(|n| candidate(400 - n, NOON - i64::from(n) * 21_600)).collect();
    let rows: [(Policy, &[u32]); 8] = [
        (Policy { last: 3, ..none }, &[400, 399, 398]),
        (Policy { hourly: 2, ..none }, &[400, 399]),
        // 18:00 is the newest one of each day before.
        (Policy { daily: 3, ..none }, &[400, 397, 393]),
        // The last one of Sunday, 18:00, ends the week before.
        (Policy { weekly: 3, ..none }, &[400, 397, 369]),
        (Policy { monthly: 3, ..none }, &[400, 309, 185]),
        (Policy { yearly: 5, ..none }, &[400]),
        (Policy { last: 1, daily: 2, weekly: 2, ..none }, &[400, 397]),
        (Policy { last: 2, hourly: 1, ..none }, &[400, 399]),
    ];
    for (policy, wanted) in rows {
        assert_eq!(numbers(&quarter_days, &policy), wanted, "{policy:?}");
    }
}

#[test]
fn periods_without_a_snapshot_do_not_count() {
    let rows = days_ago(&[(5, 0), (4, 40), (3, 41), (2, 300), (1, 301)]);
    assert_eq!(numbers(&rows, &Policy { daily: 4, ..Policy::default() }), [5, 4, 3, 2]);
}

#[test]
fn what_protects_a_snapshot_is_named() {
    let mut rows = days_ago(&[(4, 0), (3, 1), (2, 2), (1, 3)]);
    rows[0].proof = Proof::Unproven;
    rows[1].proof = Proof::Unproven;
    rows[3].protection = Some(Protection::BeforeWhatIsInUse);
    let policy = Policy { last: 1, ..Policy::default() };
    let fates: Vec<_> = decide(&rows, &policy, AlarmState::None).into_iter().map(|(_, fate)| fate).collect();
    assert_eq!(
        fates,
        [
            Fate::Keep(vec![Reason::Newest, Reason::Last]),
            Fate::Remove,
            Fate::Keep(vec![Reason::NewestVerified]),
            Fate::Keep(vec![Reason::Protected(Protection::BeforeWhatIsInUse)]),
        ]
    );
    assert_eq!(Reason::NewestOf(Period::Week).to_string(), "the newest one of its week");
}

/// A clock that stood ten years in the future for one snapshot: it does not push the others out, nor is it kept for its
/// time alone.
#[test]
fn a_wrong_clock_costs_one_period_and_no_more() {
    let mut rows = days_ago(&[(5, 0), (4, 1), (3, -3650), (2, 2), (1, 3)]);
    assert_eq!(numbers(&rows, &Policy { daily: 3, ..Policy::default() }), [5, 4, 3]);
    rows[2].taken = i64::MAX;
    assert_eq!(numbers(&rows, &Policy { daily: 3, ..Policy::default() }), [5, 4, 3, 2]);
}

#[test]
fn a_policy_without_a_line_removes_nothing() {
    let rows = days_ago(&[(3, 0), (2, 1), (1, 2)]);
    assert_eq!(numbers(&rows, &Policy::default()), [3, 2, 1]);
}

#[test]
fn weeks_begin_on_monday_and_years_at_midnight_utc() {
    let weekly = Policy { weekly: 9, ..Policy::default() };
    let monday = NOON - 43_200;
    assert_eq!(numbers(&[candidate(1, monday - 1), candidate(2, monday)], &weekly), [2, 1]);
    assert_eq!(numbers(&[candidate(1, monday), candidate(2, monday + 7 * 86_400 - 1)], &weekly), [2]);
    let yearly = Policy { yearly: 9, ..Policy::default() };
    let new_year = 1_798_761_600; // 2027-01-01 00:00 UTC
    assert_eq!(numbers(&[candidate(1, new_year - 1), candidate(2, new_year)], &yearly), [2, 1]);
    assert_eq!(numbers(&[candidate(1, -1), candidate(2, 0)], &yearly), [2, 1], "1969 and 1970");
}

fn snapshots() -> impl Strategy<Value = Vec<Candidate>> {
    let protection = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Protection::BeforeWhatIsInUse)),
        1 => Just(Some(Protection::BeforeWhatCanBeTakenBack)),
        1 => Just(Some(Protection::Pinned)),
    ];
    let time = prop_oneof![8 => NOON - 90_000_000..NOON, 1 => any::<i64>(), 1 => -100_000..100_000_i64];
    let proof = prop_oneof![3 => Just(Proof::Verified), 1 => Just(Proof::Unproven)];
    prop::collection::vec((time, proof, protection), 0..40_usize).prop_map(|rows| {
        let numbered = rows.into_iter().zip(1..);
        numbered
            .map(|((taken, proof, protection), sequence)| Candidate { proof, protection, ..candidate(sequence, taken) })
            .collect()
    })
}

prop_compose! {
    fn policy()(last in 0..4_u32, hourly in 0..4_u32, daily in 0..4_u32, weekly in 0..4_u32, monthly in 0..4_u32,
                yearly in 0..4_u32) -> Policy {
        Policy { last, hourly, daily, weekly, monthly, yearly }
    }
}

fn without(snapshots: &[Candidate], policy: &Policy) -> Vec<Candidate> {
    let kept = kept(snapshots, policy, AlarmState::None);
    snapshots.iter().filter(|snapshot| kept.contains(&snapshot.uuid)).copied().collect()
}

proptest! {
    #[test]
    fn an_open_alarm_keeps_everything(snapshots in snapshots(), policy in policy()) {
        prop_assert_eq!(kept(&snapshots, &policy, AlarmState::Open).len(), snapshots.len());
    }

    #[test]
    fn the_newest_the_newest_verified_and_every_protected_one_stay(snapshots in snapshots(), policy in policy()) {
        let kept = kept(&snapshots, &policy, AlarmState::None);
        let verified = snapshots.iter().rfind(|s| s.proof == Proof::Verified);
        for needed in snapshots.last().into_iter().chain(verified).chain(snapshots.iter().filter(|s| s.protection.is_some())) {
            prop_assert!(kept.contains(&needed.uuid), "{needed:?}");
        }
        if verified.is_none() {
            prop_assert_eq!(kept.len(), snapshots.len());
        }
    }

    #[test]
    fn whoever_is_removed_leaves_as_many_as_the_policy_wants(snapshots in snapshots(), policy in policy()) {
        let wanted = [policy.last, policy.hourly, policy.daily, policy.weekly, policy.monthly, policy.yearly];
        let kept = kept(&snapshots, &policy, AlarmState::None);
        if kept.len() < snapshots.len() {
            prop_assert!(kept.len() >= wanted.into_iter().min().unwrap_or(0) as usize);
            prop_assert!(kept.len() >= policy.last as usize);
        }
    }

    #[test]
    fn the_order_given_does_not_matter((snapshots, shuffled) in snapshots().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())), policy in policy()) {
        prop_assert_eq!(decide(&snapshots, &policy, AlarmState::None), decide(&shuffled, &policy, AlarmState::None));
    }

    #[test]
    fn a_second_time_removes_nothing(snapshots in snapshots(), policy in policy()) {
        let left = without(&snapshots, &policy);
        prop_assert_eq!(without(&left, &policy), left);
    }

    #[test]
    fn a_more_generous_policy_keeps_at_least_as_much(snapshots in snapshots(), policy in policy(), more in policy()) {
        prop_assume!(policy != Policy::default());
        let generous = Policy {
            last: policy.last + more.last,
            hourly: policy.hourly + more.hourly,
            daily: policy.daily + more.daily,
            weekly: policy.weekly + more.weekly,
            monthly: policy.monthly + more.monthly,
            yearly: policy.yearly + more.yearly,
        };
        let few = kept(&snapshots, &policy, AlarmState::None);
        let many = kept(&snapshots, &generous, AlarmState::None);
        prop_assert!(few.iter().all(|uuid| many.contains(uuid)));
    }

    #[test]
    fn every_kept_one_has_a_reason(snapshots in snapshots(), policy in policy()) {
        for (_, fate) in decide(&snapshots, &policy, AlarmState::None) {
            prop_assert!(fate != Fate::Keep(Vec::new()));
        }
    }
}
