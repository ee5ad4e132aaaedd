//! Who comes in, against a model that remembers every arrival.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

/// What happens to an entrance.
#[derive(Debug, Clone)]
enum Deed {
    Come(u8),
    /// The n-th of those who are in.
    Leave(usize),
    Wait(u16),
    Set(RouteRules),
}

fn deed() -> impl Strategy<Value = Deed> {
    let number = || prop::option::of((1..6_u32).prop_map(|n| NonZeroU32::new(n).unwrap()));
    let networks = prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(vec!["192.0.2.0/31".parse().unwrap()]),
        1 => Just(vec!["192.0.2.2/32".parse().unwrap()]),
    ];
    let rules = (number(), number(), number(), networks.clone(), networks).prop_map(
        |(connections, per_source, new_per_second, allow, deny)| RouteRules {
            connections,
            per_source,
            new_per_second,
            allow,
            deny,
            ..RouteRules::default()
        },
    );
    prop_oneof![
        8 => (0..4_u8).prop_map(Deed::Come),
        3 => (0..8_usize).prop_map(Deed::Leave),
        3 => (0..1_200_u16).prop_map(Deed::Wait),
        1 => rules.prop_map(Deed::Set),
    ]
}

fn address(client: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, client])
}

proptest! {
    /// Exactly those are kept out who are not allowed, or for whom there is no room; and in no second after the rules were
    /// set more come in than twice the rate, the one second's worth that may come at once among them.
    #[test]
    fn a_client_comes_in_exactly_where_the_rules_have_room_for_it(deeds in prop::collection::vec(deed(), 1..80)) {
        let (usual, most) = (4, 5);
        let mut entrance = Entrance::new(usual, most);
        let mut rules = RouteRules::default();
        let mut inside: Vec<(u8, Source)> = Vec::new();
        let mut now = Instant::now();
        let mut came: Vec<Instant> = Vec::new();
        let mut departures = Departures::default();
        for deed in deeds {
            match deed {
                Deed::Wait(milliseconds) => now += Duration::from_millis(milliseconds.into()),
                Deed::Set(next) => {
                    rules = next.clone();
                    entrance.set(next);
                    came.clear();
                }
                Deed::Leave(n) if n < inside.len() => {
                    let (_, source) = inside.remove(n);
                    entrance.leave(source);
                    departures = departures.and_one();
                }
                Deed::Leave(_) => {}
                Deed::Come(client) => {
                    let of_source = inside.iter().filter(|(other, _)| *other == client).count();
                    let asked = rules.connections.map_or(usual, |asked| (asked.get() as usize).min(most));
                    let wanted = if !rules.allow(address(client)) {
                        Err("not allowed")
                    } else if inside.len() >= asked {
                        Err("full")
                    } else if rules.per_source.is_some_and(|most| of_source >= most.get() as usize) {
                        Err("source")
                    } else {
                        Ok(())
                    };
                    let found = entrance.come(address(client), Origin::Elsewhere, now);
                    match (&found, wanted) {
                        (Ok(source), Ok(())) => {
                            inside.push((client, *source));
                            came.push(now);
                        }
                        (Err(Barred::TooFast(rate)), Ok(())) => {
                            prop_assert_eq!(Some(*rate), rules.new_per_second.map(NonZeroU32::get));
                        }
                        (Err(Barred::NotAllowed), Err("not allowed"))
                        | (Err(Barred::Full(_)), Err("full"))
                        | (Err(Barred::SourceFull(..)), Err("source")) => {}
                        other => prop_assert!(false, "{:?}", other),
                    }
                    if let Some(rate) = rules.new_per_second {
                        let second = came.iter().filter(|at| now.duration_since(**at) < Duration::from_secs(1)).count();
                        prop_assert!(second <= 2 * rate.get() as usize, "{second} in a second");
                    }
                }
            }
            prop_assert_eq!((entrance.open(), entrance.departures()), (inside.len(), departures));
            let sources: usize = entrance.sources.values().map(|count| *count as usize).sum();
            prop_assert_eq!(sources, inside.len());
            prop_assert!(entrance.sources.values().all(|count| *count > 0), "nothing is kept of who is not in");
        }
    }
}

#[test]
fn a_seconds_worth_may_come_at_once_and_after_that_one_for_each_part_of_a_second() {
    let mut entrance = Entrance::new(100, 100);
    entrance.set(RouteRules { new_per_second: NonZeroU32::new(4), ..RouteRules::default() });
    let start = Instant::now();
    let mut come =
        |after: u64| entrance.come(address(1), Origin::Elsewhere, start + Duration::from_millis(after)).is_ok();
    assert_eq!(
        [0, 0, 0, 0, 0, 249, 250, 250, 1_999].map(&mut come),
        [true, true, true, true, false, false, true, false, true]
    );
}

/// An operation proves over the public address that it answers: rules for others must not make it fail.
#[test]
fn this_machine_comes_in_whatever_the_rules_say_where_there_is_room() {
    let host: ListenHost = ListenHost::Ip("192.0.2.9".parse().unwrap());
    for (client, host, wanted) in [
        ("127.0.0.1", ListenHost::Any, Origin::ThisMachine),
        ("::ffff:127.0.0.1", ListenHost::Any, Origin::ThisMachine),
        ("::1", ListenHost::Any, Origin::ThisMachine),
        ("192.0.2.9", host, Origin::ThisMachine),
        ("192.0.2.9", ListenHost::Any, Origin::Elsewhere),
        ("127.0.0.2", host, Origin::Elsewhere),
        ("172.17.0.2", ListenHost::Any, Origin::Elsewhere),
    ] {
        assert_eq!(Origin::of(client.parse().unwrap(), host), wanted, "{client}");
    }
    let mut entrance = Entrance::new(3, 3);
    entrance.set(RouteRules {
        new_per_second: NonZeroU32::new(1),
        per_source: NonZeroU32::new(1),
        deny: vec!["0.0.0.0/0".parse().unwrap()],
        ..RouteRules::default()
    });
    let (own, now) = ("127.0.0.1".parse().unwrap(), Instant::now());
    let came = [(); 4].map(|()| entrance.come(own, Origin::ThisMachine, now).is_ok());
    assert_eq!(came, [true, true, true, false]);
    assert_eq!(entrance.come(own, Origin::ThisMachine, now), Err(Barred::Full(3)));
}

#[test]
fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
    let of = |text: &str| Source::of(text.parse().unwrap()).to_string();
    assert_eq!(of("192.0.2.1"), "192.0.2.1");
    assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
}
