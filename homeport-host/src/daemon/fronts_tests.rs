//! Routes that are led past the router by an accelerator that the test plays: it remembers what it leads, and fails as told.

use homeport_router::{Generation, RouteRules, RouteState, Target};

use super::*;
use crate::accelerator::Offer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Point,
    Unpoint,
    Apply,
    Count,
    GiveUp,
}

#[derive(Debug, Default)]
struct Played {
    led: BTreeMap<RouteId, Front>,
    failing: Vec<Deed>,
    drift: Option<Drift>,
    flows: Vec<Flow>,
    ended: Vec<(RouteId, RouterContainer)>,
    applied: usize,
}

/// One in the memory of the test.
#[derive(Debug, Clone, Default)]
struct Play(Arc<Mutex<Played>>);

impl Play {
    fn lock(&self) -> MutexGuard<'_, Played> {
        self.0.lock().unwrap()
    }

    fn does(&self, deed: Deed) -> Result<MutexGuard<'_, Played>, AcceleratorError> {
        let played = self.lock();
        let failed = AcceleratorError::Failed { backend: Backend::Nftables, action: "play", why: format!("{deed:?}") };
        if played.failing.contains(&deed) { Err(failed) } else { Ok(played) }
    }

    fn leads(&self) -> Vec<String> {
        self.lock().led.values().map(|front| format!("{} {}", front.id.instance, front.target.container)).collect()
    }
}

impl Accelerator for Play {
    fn backend(&self) -> Backend {
        Backend::Nftables
    }

    fn offer(&self) -> Offer {
        Offer { lacks: Vec::new(), refuses: |_| Vec::new() }
    }

    fn begin(&self) -> Result<(), AcceleratorError> {
        self.lock().led.clear();
        Ok(())
    }

    fn apply(&self, wanted: &[Front]) -> Result<(), AcceleratorError> {
        let mut played = self.does(Deed::Apply)?;
        played.applied += 1;
        played.led = wanted.iter().map(|front| (front.id.clone(), front.clone())).collect();
        Ok(())
    }

    fn point(&self, front: &Front) -> Result<(), AcceleratorError> {
        self.does(Deed::Point)?.led.insert(front.id.clone(), front.clone());
        Ok(())
    }

    fn unpoint(&self, id: &RouteId) -> Result<(), AcceleratorError> {
        self.does(Deed::Unpoint)?.led.remove(id);
        Ok(())
    }

    fn observe(&self) -> Result<Drift, AcceleratorError> {
        Ok(self.lock().drift.take().unwrap_or(Drift::None))
    }

    fn flows(&self, _silent: Silent) -> Flows {
        let counted = self.does(Deed::Count).map(drop);
        Flows { known: self.lock().flows.clone(), ..Flows::from(counted.map(|()| Vec::new())) }
    }

    fn end_flows(&self, id: &RouteId, container: &RouterContainer) -> Result<usize, AcceleratorError> {
        self.lock().ended.push((id.clone(), container.clone()));
        Ok(1)
    }

    fn give_up(&self) -> Result<(), AcceleratorError> {
        self.does(Deed::GiveUp)?.led.clear();
        Ok(())
    }
}

fn fronts() -> (Fronts, Play) {
    let play = Play::default();
    (Fronts::new(Accelerators::new(vec![Arc::new(play.clone())])), play)
}

fn route(instance: &str, container: Option<&str>) -> RouteStatus {
    let id = RouteId { instance: instance.parse().unwrap(), endpoint: "e".parse().unwrap() };
    let target = |name: &str| Target::new(name.parse().unwrap(), "172.18.0.2:22".parse().unwrap());
    let state = container
        .map_or(RouteState::Held, |name| RouteState::Running { generation: Generation::new(1), target: target(name) });
    let rules = RouteRules { backend: Backend::Nftables, ..RouteRules::default() };
    RouteStatus { rules, ..RouteStatus::unused(id, "*:2222".parse().unwrap(), state, 9) }
}

#[test]
fn what_is_led_follows_every_change_of_a_route_before_it_is_done() {
    let (fronts, play) = fronts();
    fronts.follow(|| vec![route("a", Some("c1")), route("b", None)]).unwrap();
    assert_eq!(play.leads(), ["a c1"]);
    fronts.follow(|| vec![route("a", Some("c2")), route("b", Some("c3"))]).unwrap();
    assert_eq!(play.leads(), ["a c2", "b c3"]);
    fronts.follow(|| vec![route("a", None)]).unwrap();
    assert_eq!(play.leads(), Vec::<String>::new());
}

#[test]
fn a_route_is_never_left_led_as_before_where_anything_can_be_done_about_it() {
    for failing in [vec![], vec![Deed::Unpoint], vec![Deed::Unpoint, Deed::Apply]] {
        let (fronts, play) = fronts();
        fronts.follow(|| vec![route("a", Some("c1")), route("b", Some("c2"))]).unwrap();
        play.lock().failing = failing.clone();
        fronts.follow(|| vec![route("a", None), route("b", Some("c2"))]).unwrap();
        assert!(!play.leads().contains(&"a c1".to_owned()), "{failing:?}");
        // What was left to the router with it is led again as soon as that can be.
        play.lock().failing.clear();
        fronts.follow(|| vec![route("a", None), route("b", Some("c2"))]).unwrap();
        assert_eq!(play.leads(), ["b c2"], "{failing:?}");
    }
    let (fronts, play) = fronts();
    fronts.follow(|| vec![route("a", Some("c1"))]).unwrap();
    play.lock().failing = vec![Deed::Unpoint, Deed::Apply, Deed::GiveUp];
    let error = fronts.follow(|| vec![route("a", None)]).unwrap_err();
    assert!(matches!(error, AcceleratorError::StillLed { backend: Backend::Nftables, .. }), "{error}");
}

#[test]
fn a_route_that_cannot_be_led_past_the_router_is_not_led_as_before_and_says_why() {
    let (fronts, play) = fronts();
    fronts.follow(|| vec![route("a", Some("c1"))]).unwrap();
    play.lock().failing = vec![Deed::Point];
    fronts.follow(|| vec![route("a", Some("c2"))]).unwrap();
    assert_eq!(play.leads(), Vec::<String>::new());
    let told = fronts.told(vec![route("a", Some("c2"))]).remove(0).carried.unwrap();
    assert_eq!((told.by, told.obstacles), (Backend::Builtin, vec!["`nftables` could not play: Point".to_owned()]));
    // Not tried again at every change, but at once for another target.
    play.lock().failing.clear();
    fronts.follow(|| vec![route("a", Some("c2"))]).unwrap();
    assert_eq!(play.leads(), Vec::<String>::new());
    fronts.follow(|| vec![route("a", Some("c3"))]).unwrap();
    assert_eq!(play.leads(), ["a c3"]);
    assert_eq!(fronts.told(vec![route("a", Some("c3"))])[0].carried.as_ref().unwrap().by, Backend::Nftables);
}

#[test]
fn what_does_not_tell_its_connections_may_have_any_and_those_that_are_known_are_ended_all_the_same() {
    let (fronts, play) = fronts();
    let flow = Flow { id: route("a", None).id, container: "c1".parse().unwrap(), connections: 1, moved: None };
    play.lock().flows = vec![flow.clone()];
    assert!(fronts.told_if_counted(vec![route("a", Some("c1"))]).is_ok());
    play.lock().failing = vec![Deed::Count];
    let told = fronts.told_if_counted(vec![route("a", Some("c1"))]).unwrap_err();
    assert_eq!(told[0].open, 1, "what is known is told");
    fronts.end_others(&flow.id, &[]);
    assert_eq!(play.lock().ended, [(flow.id, flow.container)]);
}

#[test]
fn what_somebody_changed_is_made_again_and_what_cannot_be_is_told() {
    let (fronts, play) = fronts();
    let routes = || vec![route("a", Some("c1"))];
    fronts.follow(routes).unwrap();
    play.lock().led.clear();
    play.lock().drift = Some(Drift::Found("it is gone".to_owned()));
    fronts.look(routes);
    assert_eq!((play.leads(), play.lock().applied), (vec!["a c1".to_owned()], 1));
    fronts.look(routes);
    assert_eq!(play.lock().applied, 1, "what is as it was made is left alone");
    play.lock().failing = vec![Deed::Apply];
    play.lock().drift = Some(Drift::Due);
    fronts.look(routes);
    let told = fronts.told(routes()).remove(0).carried.unwrap();
    assert_eq!(told.obstacles, ["`nftables` could not play: Apply"]);
    play.lock().failing.clear();
    fronts.look(routes);
    assert_eq!(fronts.told(routes())[0].carried.as_ref().unwrap().obstacles.len(), 0);
    assert_eq!(play.lock().applied, 2);
}

#[test]
fn a_route_whose_clients_get_no_answer_past_the_router_is_left_to_it_for_a_while() {
    let (fronts, play) = fronts();
    let routes = |container| move || vec![route("a", Some(container)), route("b", Some("c9"))];
    fronts.follow(routes("c1")).unwrap();
    play.lock().drift = Some(Drift::Silent(vec![route("a", None).id]));
    fronts.look(routes("c1"));
    fronts.look(routes("c1"));
    assert_eq!(play.leads(), ["b c9"]);
    let told = fronts.told(routes("c1")()).remove(0).carried.unwrap();
    assert_eq!(told.by, Backend::Builtin);
    assert!(told.obstacles[0].starts_with("clients that `nftables` led to the container got no answer"), "{told:?}");
    // What holds for one container need not for the next.
    fronts.follow(routes("c2")).unwrap();
    assert_eq!(play.leads(), ["a c2", "b c9"]);
}

#[test]
fn only_connections_with_the_containers_that_are_meant_are_ended() {
    let (fronts, play) = fronts();
    let [a, b] = ["a", "b"].map(|name| route(name, None).id);
    let flow = |id: &RouteId, container: &str| {
        let container = container.repeat(64).parse().unwrap();
        Flow { id: id.clone(), container, connections: 1, moved: None }
    };
    let flows = vec![flow(&a, "1"), flow(&a, "2"), flow(&b, "1")];
    play.lock().flows = flows.clone();
    let ended = |play: &Play| std::mem::take(&mut play.lock().ended);
    fronts.end_with(&a.instance, &"1".repeat(64).parse().unwrap());
    assert_eq!(ended(&play), [(a.clone(), flows[0].container.clone())]);
    fronts.end_others(&a, &["1".repeat(64).parse().unwrap()]);
    assert_eq!(ended(&play), [(a, flows[1].container.clone())]);
    fronts.end_dead(&crate::engine::sim::SimEngine::new());
    assert_eq!(ended(&play).len(), 3);
}

#[test]
fn whoever_has_left_touches_nothing_any_more() {
    let (fronts, play) = fronts();
    fronts.follow(|| vec![route("a", Some("c1"))]).unwrap();
    fronts.leave();
    fronts.follow(|| vec![route("a", None)]).unwrap();
    fronts.look(Vec::new);
    assert_eq!(play.leads(), ["a c1"]);
    fronts.give_up();
    assert_eq!(play.leads(), Vec::<String>::new());
}
