//! The rules of the gate: one row a transition, then laws over every sequence of events.

use proptest::prelude::*;

use super::*;

fn target(name: &str) -> Target {
    Target::new(name.parse().unwrap(), "127.0.0.1:22".parse().unwrap())
}

fn point(name: &str) -> GateEvent {
    GateEvent::Point(target(name))
}

fn after(events: impl IntoIterator<Item = GateEvent>) -> (Gate, Option<Change>) {
    let mut gate = Gate::fresh();
    let change = events.into_iter().map(|event| gate.apply(event)).last().flatten();
    (gate, change)
}

#[test]
fn every_state_answers_every_event_by_the_table() {
    use Change::{Changed, Renewed, Unchanged};
    use GateEvent::{Close, Hold, HoldExpired, HoldOverdue, Release};

    #[derive(Debug, PartialEq)]
    enum Seen {
        Forward(u64),
        Wait,
        Refuse,
        Gone,
    }
    let expired = |n| HoldExpired(HoldNumber(n));
    let overdue = |n| HoldOverdue(HoldNumber(n));
    let table: Vec<(Vec<GateEvent>, Option<Change>, Seen)> = vec![
        (vec![], None, Seen::Wait),
        (vec![point("a")], Some(Changed), Seen::Forward(1)),
        (vec![Hold], Some(Renewed), Seen::Wait),
        (vec![Close], Some(Changed), Seen::Refuse),
        (vec![expired(1)], Some(Changed), Seen::Refuse),
        (vec![expired(2)], Some(Unchanged), Seen::Wait),
        (vec![Hold, expired(1)], Some(Unchanged), Seen::Wait),
        (vec![Hold, expired(2)], Some(Changed), Seen::Refuse),
        (vec![Release], Some(Changed), Seen::Gone),
        (vec![point("a"), point("a")], Some(Unchanged), Seen::Forward(1)),
        (vec![point("a"), point("b")], Some(Changed), Seen::Forward(2)),
        (vec![point("a"), Hold], Some(Changed), Seen::Wait),
        (vec![point("a"), expired(1)], Some(Unchanged), Seen::Forward(1)),
        (vec![point("a"), Close], Some(Changed), Seen::Refuse),
        (vec![point("a"), Release], Some(Changed), Seen::Gone),
        (vec![point("a"), Hold, point("a")], Some(Changed), Seen::Forward(2)),
        (vec![point("a"), Hold, expired(1)], Some(Unchanged), Seen::Wait),
        (vec![point("a"), Hold, expired(2)], Some(Changed), Seen::Refuse),
        (vec![Close, point("a")], Some(Changed), Seen::Forward(1)),
        (vec![Close, Close], Some(Unchanged), Seen::Refuse),
        (vec![Close, Hold], Some(Changed), Seen::Wait),
        (vec![Close, Hold, expired(1)], Some(Unchanged), Seen::Wait),
        (vec![Close, expired(1)], Some(Unchanged), Seen::Refuse),
        (vec![Close, Release], Some(Changed), Seen::Gone),
        (vec![overdue(1)], Some(Changed), Seen::Refuse),
        (vec![overdue(2)], Some(Unchanged), Seen::Wait),
        (vec![Hold, Hold, overdue(1)], Some(Changed), Seen::Refuse),
        (vec![Hold, Hold, overdue(3)], Some(Unchanged), Seen::Wait),
        (vec![overdue(1), Hold], Some(Unchanged), Seen::Refuse),
        (vec![overdue(1), expired(1)], Some(Unchanged), Seen::Refuse),
        (vec![overdue(1), Close], Some(Changed), Seen::Refuse),
        (vec![overdue(1), Close, Hold], Some(Changed), Seen::Wait),
        (vec![overdue(1), point("a")], Some(Changed), Seen::Forward(1)),
        (vec![overdue(1), point("a"), Hold], Some(Changed), Seen::Wait),
        (vec![overdue(1), point("a"), Hold, overdue(1)], Some(Unchanged), Seen::Wait),
        (vec![overdue(1), Release], Some(Changed), Seen::Gone),
        (vec![point("a"), overdue(1)], Some(Unchanged), Seen::Forward(1)),
        (vec![Release, overdue(1)], None, Seen::Gone),
        (vec![Release, point("a")], None, Seen::Gone),
        (vec![Release, Hold], None, Seen::Gone),
        (vec![Release, Close], None, Seen::Gone),
        (vec![Release, expired(1)], None, Seen::Gone),
        (vec![Release, Release], None, Seen::Gone),
    ];
    for (events, change, wanted) in table {
        let (gate, found) = after(events.clone());
        let seen = match gate.admission() {
            Admission::Forward(generation, _) => Seen::Forward(generation.get()),
            Admission::Wait(_) => Seen::Wait,
            Admission::Refuse => Seen::Refuse,
            Admission::Gone => Seen::Gone,
        };
        assert_eq!((found, seen), (change, wanted), "{events:?}");
    }
}

#[test]
fn a_target_with_the_same_address_and_another_container_is_another_target() {
    let (gate, change) = after([point("a"), point("b")]);
    assert_eq!(change, Some(Change::Changed));
    assert!(!gate.runs(Generation(1)) && gate.runs(Generation(2)));
}

fn any_event() -> impl Strategy<Value = GateEvent> {
    prop_oneof![
        "[ab]".prop_map(|name| point(&name)),
        Just(GateEvent::Hold),
        Just(GateEvent::Close),
        (1u64..6).prop_map(|n| GateEvent::HoldExpired(HoldNumber(n))),
        (1u64..6).prop_map(|n| GateEvent::HoldOverdue(HoldNumber(n))),
    ]
}

proptest! {
    #[test]
    fn generations_only_rise_and_a_request_repeated_never_changes_twice(
        events in prop::collection::vec(any_event(), 0..40)
    ) {
        let mut gate = Gate::fresh();
        for event in events {
            let before = gate.clone();
            let change = gate.apply(event.clone()).unwrap();
            prop_assert!(gate.generation >= before.generation);
            prop_assert_eq!(change == Change::Unchanged, gate == before);
            if matches!(event, GateEvent::Point(_)) {
                prop_assert_eq!(gate.generation > before.generation, change == Change::Changed);
            }
            let settled = gate.clone();
            let again = gate.apply(event).unwrap();
            prop_assert_ne!(again, Change::Changed);
            prop_assert_eq!(gate.generation, settled.generation);
        }
    }

    #[test]
    fn a_client_is_only_ever_led_to_the_last_target_that_was_pointed(
        events in prop::collection::vec(any_event(), 0..40)
    ) {
        let mut gate = Gate::fresh();
        let mut last = None;
        for event in events {
            if let GateEvent::Point(target) = &event {
                last = Some(target.clone());
            }
            gate.apply(event);
            if let Admission::Forward(_, target) = gate.admission() {
                prop_assert_eq!(Some(target), last.as_ref());
            }
        }
    }

    #[test]
    fn clients_that_were_kept_waiting_too_long_are_refused_until_there_is_a_target(
        holds in 0_u64..5, later in prop::collection::vec(any_event(), 0..20)
    ) {
        let (mut gate, _) = after((0..holds).map(|_| GateEvent::Hold));
        prop_assert_eq!(gate.apply(GateEvent::HoldOverdue(HoldNumber(1))), Some(Change::Changed));
        for event in later {
            let ends = matches!(event, GateEvent::Point(_) | GateEvent::Close);
            gate.apply(event);
            if ends {
                break;
            }
            prop_assert_eq!(gate.admission(), Admission::Refuse);
        }
    }

    #[test]
    fn nothing_comes_after_the_release(before in prop::collection::vec(any_event(), 0..10),
                                       later in prop::collection::vec(any_event(), 1..10)) {
        let (mut gate, _) = after(before.into_iter().chain([GateEvent::Release]));
        for event in later {
            prop_assert_eq!(gate.apply(event), None);
            prop_assert_eq!(gate.admission(), Admission::Gone);
        }
    }
}
