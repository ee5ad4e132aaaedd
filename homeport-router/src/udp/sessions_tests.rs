//! Whose datagram goes where, by example and against a model that remembers everything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use proptest::prelude::*;

use super::*;

fn peer(client: u8) -> Peer {
    Peer {
        client: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, client % 4)), 1_000 + u16::from(client)),
        to: None,
    }
}

const fn to(generation: u64) -> Leads {
    Leads::To(Generation::new(generation))
}

fn open(sessions: &mut Sessions<u32>, client: u8, generation: u64, now: Instant) -> SessionId {
    sessions.open(peer(client), Generation::new(generation), 0, now)
}

const SECOND: Duration = Duration::from_secs(1);
/// A second less than what they are named after.
const ALMOST_SHORT: Duration = Duration::from_secs(29);
const ALMOST_LONG: Duration = Duration::from_secs(179);

#[test]
fn a_conversation_stays_with_its_container_and_any_other_session_moves() {
    let (mut sessions, start) = (Sessions::new(), Instant::now());
    let asked = open(&mut sessions, 1, 1, start);
    let answered = open(&mut sessions, 2, 1, start);
    assert_eq!(sessions.answered(answered, start), Some(peer(2)));
    let soon = start + SECOND;
    for (leads, of_asked) in [
        (to(1), Course::To(asked)),
        (to(2), Course::Open(Some(asked))),
        (Leads::Nowhere, Course::Wait(Some(asked))),
        (Leads::Away, Course::Drop(Some(asked))),
    ] {
        assert_eq!(sessions.course(peer(1), leads, soon), of_asked, "{leads:?}");
        assert_eq!(sessions.course(peer(2), leads, soon), Course::To(answered), "{leads:?}");
    }
    assert_eq!(
        sessions.course(peer(2), to(2), start + MOMENT),
        Course::Open(Some(answered)),
        "its question was answered"
    );
    // However much the client says: a container that is silent has lost it.
    for after in [MOMENT, ALMOST_SHORT] {
        sessions.heard(answered, start + after);
        assert_eq!(sessions.course(peer(2), to(2), start + after), Course::To(answered));
    }
    assert_eq!(sessions.course(peer(2), to(2), start + SHORT), Course::Open(Some(answered)));
    assert_eq!(sessions.course(peer(2), to(1), start + SHORT), Course::To(answered), "its own target is the route's");
    assert_eq!(sessions.course(peer(3), to(2), soon), Course::Open(None));
}

#[test]
fn a_session_is_over_after_half_a_minute_and_a_conversation_after_three() {
    let (mut sessions, start) = (Sessions::new(), Instant::now());
    let asked = open(&mut sessions, 1, 1, start);
    let answered = open(&mut sessions, 2, 1, start);
    sessions.answered(answered, start);
    let conversing = open(&mut sessions, 3, 1, start);
    sessions.answered(conversing, start);
    sessions.heard(conversing, start);
    let over = |sessions: &Sessions<u32>, farewell, after| {
        let mut over = sessions.over(farewell, None, start + after);
        over.sort();
        over
    };
    assert_eq!(over(&sessions, Farewell::No, ALMOST_SHORT), []);
    assert_eq!(over(&sessions, Farewell::No, SHORT), [asked, answered]);
    assert_eq!(over(&sessions, Farewell::No, ALMOST_LONG), [asked, answered]);
    assert_eq!(over(&sessions, Farewell::No, LONG), [asked, answered, conversing]);
    // Where its client speaks to somebody else by now, only answers that are under way can come.
    assert_eq!(over(&sessions, Farewell::Yes, SHORT), [asked, answered, conversing]);
    // An operator may have said how long one may be idle.
    let idle = |sessions: &Sessions<u32>, seconds, after| {
        sessions.over(Farewell::No, Some(Duration::from_secs(seconds)), start + Duration::from_secs(after)).len()
    };
    assert_eq!([idle(&sessions, 10, 9), idle(&sessions, 10, 10)], [0, 3]);
    assert_eq!([idle(&sessions, 600, 599), idle(&sessions, 600, 600)], [2, 3], "a question is no longer one for it");
    sessions.answered(conversing, start + ALMOST_LONG);
    assert_eq!(over(&sessions, Farewell::No, LONG), [asked, answered]);
}

#[test]
fn room_is_made_by_who_was_silent_for_the_longest_and_not_by_a_conversation_that_goes_on() {
    let (mut sessions, start) = (Sessions::new(), Instant::now());
    let conversing = open(&mut sessions, 0, 1, start);
    sessions.answered(conversing, start);
    sessions.heard(conversing, start);
    assert_eq!(sessions.spare(None, start), None);
    let first = open(&mut sessions, 1, 1, start + SECOND);
    let second = open(&mut sessions, 2, 1, start + 2 * SECOND);
    let soon = start + ALMOST_SHORT;
    assert_eq!(sessions.spare(None, soon), Some(first));
    sessions.answered(first, start + 3 * SECOND);
    assert_eq!(sessions.spare(None, soon), Some(second));
    assert_eq!(sessions.spare(Some(Source::of(peer(1).client.ip())), soon), Some(first));
    assert_eq!(sessions.spare(Some(Source::of(peer(3).client.ip())), soon), None);
    assert_eq!(sessions.spare(None, start + SHORT), Some(conversing), "nothing was said in it for half a minute");
}

#[test]
fn one_client_has_a_session_for_each_address_that_it_writes_to() {
    let (mut sessions, start) = (Sessions::new(), Instant::now());
    let elsewhere = Peer { to: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99))), ..peer(1) };
    let one = open(&mut sessions, 1, 1, start);
    let other = sessions.open(elsewhere, Generation::new(1), 0, start);
    assert_eq!(sessions.course(peer(1), to(1), start), Course::To(one));
    assert_eq!(sessions.course(elsewhere, to(1), start), Course::To(other));
    assert_eq!(sessions.answered(other, start), Some(elsewhere));
}

/// What happens to the sessions of a route.
#[derive(Debug, Clone)]
enum Deed {
    Says(u8),
    /// The container of this client's session answers.
    Answers(u8),
    Leads(Leads),
    Wait(u8),
    Sweep(Farewell),
    EndContainer(u64),
    MakeRoom,
}

fn deed() -> impl Strategy<Value = Deed> {
    let leads = prop_oneof![
        3 => (1u64..4).prop_map(to),
        1 => Just(Leads::Nowhere),
        1 => Just(Leads::Away),
    ];
    prop_oneof![
        8 => (0u8..6).prop_map(Deed::Says),
        6 => (0u8..6).prop_map(Deed::Answers),
        2 => leads.prop_map(Deed::Leads),
        4 => (1u8..40).prop_map(Deed::Wait),
        2 => prop_oneof![Just(Farewell::No), Just(Farewell::Yes)].prop_map(Deed::Sweep),
        1 => (1u64..4).prop_map(Deed::EndContainer),
        1 => Just(Deed::MakeRoom),
    ]
}

/// All that was ever said in the session that a client has.
#[derive(Debug, Clone)]
struct Told {
    id: SessionId,
    generation: u64,
    said: Vec<Instant>,
    answered: Vec<Instant>,
}

impl Told {
    fn last(&self) -> Instant {
        *self.said.iter().chain(&self.answered).max().unwrap()
    }

    fn is_conversation(&self) -> bool {
        self.answered.first().is_some_and(|first| self.said.last().unwrap() > first)
    }
}

proptest! {
    /// A datagram goes to the container that the route leads to, or to one that answered its client within half a minute; a
    /// session lives as long as it may and no longer; and each client has at most one.
    #[test]
    fn sessions_are_what_a_model_of_everything_that_was_said_makes_of_them(
        deeds in prop::collection::vec(deed(), 1..120),
    ) {
        let mut sessions: Sessions<u64> = Sessions::new();
        let mut model: HashMap<u8, Told> = HashMap::new();
        let (mut leads, mut now) = (Leads::Nowhere, Instant::now());
        for deed in deeds {
            // No two things happen at once.
            now += Duration::from_millis(1);
            match deed {
                Deed::Wait(seconds) => now += SECOND * u32::from(seconds),
                Deed::Leads(to) => leads = to,
                Deed::Says(client) => {
                    let told = model.get(&client).cloned();
                    let stays = told.as_ref().is_some_and(|told| {
                        leads == to(told.generation)
                            || told.answered.last().is_some_and(|at| {
                                let claim = if told.is_conversation() { SHORT } else { MOMENT };
                                now.duration_since(*at) < claim
                            })
                    });
                    let before = told.as_ref().map(|told| told.id);
                    let wanted = match (stays, leads) {
                        (true, _) => Course::To(before.unwrap()),
                        (false, Leads::To(_)) => Course::Open(before),
                        (false, Leads::Nowhere) => Course::Wait(before),
                        (false, Leads::Away) => Course::Drop(before),
                    };
                    prop_assert_eq!(sessions.course(peer(client), leads, now), wanted);
                    if stays {
                        sessions.heard(before.unwrap(), now);
                        model.get_mut(&client).unwrap().said.push(now);
                        continue;
                    }
                    if let Some(before) = before {
                        prop_assert!(sessions.end(before).is_some());
                        model.remove(&client);
                    }
                    if let Leads::To(generation) = leads {
                        let id = sessions.open(peer(client), generation, generation.get(), now);
                        let told = Told { id, generation: generation.get(), said: vec![now], answered: Vec::new() };
                        model.insert(client, told);
                    }
                }
                Deed::Answers(client) => if let Some(told) = model.get_mut(&client) {
                    prop_assert_eq!(sessions.answered(told.id, now), Some(peer(client)));
                    told.answered.push(now);
                },
                Deed::Sweep(farewell) => {
                    let mut over = sessions.over(farewell, None, now);
                    over.sort();
                    let is_over = |told: &Told| {
                        let long = told.is_conversation() && farewell == Farewell::No;
                        now.duration_since(told.last()) >= if long { LONG } else { SHORT }
                    };
                    let mut wanted: Vec<_> = model.values().filter(|told| is_over(told)).map(|told| told.id).collect();
                    wanted.sort();
                    prop_assert_eq!(&over, &wanted);
                    for id in &over {
                        prop_assert!(sessions.end(*id).is_some());
                    }
                    model.retain(|_, told| !over.contains(&told.id));
                }
                Deed::EndContainer(generation) => {
                    for id in sessions.those(|of| *of == generation) {
                        prop_assert_eq!(sessions.end(id), Some(generation));
                    }
                    model.retain(|_, told| told.generation != generation);
                }
                Deed::MakeRoom => {
                    let may_go = |told: &&Told| !told.is_conversation() || now.duration_since(told.last()) >= SHORT;
                    let wanted = model.values().filter(may_go).min_by_key(|told| told.last()).map(|told| told.id);
                    prop_assert_eq!(sessions.spare(None, now), wanted);
                }
            }
            prop_assert_eq!(sessions.all.len(), model.len());
            prop_assert_eq!(sessions.by_peer.len(), model.len());
        }
    }
}
