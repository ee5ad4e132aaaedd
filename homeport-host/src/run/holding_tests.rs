//! What is held is renewed, and nothing is held that was let go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{ListenHost, RouteRules};

use super::*;
use crate::engine::ContainerId;
use crate::routes::{Account, RoutesError};

const EVERY: Duration = Duration::from_millis(5);

/// Counts renewals; each takes its time, and fails.
#[derive(Debug)]
struct Counting {
    begun: AtomicUsize,
    done: AtomicUsize,
    time: Duration,
}

impl Default for Counting {
    fn default() -> Self {
        Self { begun: AtomicUsize::default(), done: AtomicUsize::default(), time: Duration::from_millis(10) }
    }
}

impl Counting {
    fn wait_for(&self, renewals: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.done.load(Ordering::SeqCst) < renewals {
            assert!(Instant::now() < until, "no renewal comes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Routes for Counting {
    fn hold(&self, _: &RouteId) -> Result<(), RoutesError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.time);
        self.done.fetch_add(1, Ordering::SeqCst);
        Err(RoutesError::NotRunning { socket: "/nonexistent".into() })
    }

    fn ensure(&self) -> Result<(), RoutesError> {
        unreachable!("not asked for")
    }

    fn reserve(&self, _: &RouteId, _: ListenHost, _: Transport, _: &[PortNumber]) -> Result<PortNumber, RoutesError> {
        unreachable!("not asked for")
    }

    fn point(&self, _: &RouteId, _: &ContainerId, _: PortNumber) -> Result<(), RoutesError> {
        unreachable!("not asked for")
    }

    fn close(&self, _: &RouteId, _: &[ContainerId]) -> Result<(), RoutesError> {
        unreachable!("not asked for")
    }

    fn set_rules(&self, _: &RouteId, _: &RouteRules) -> Result<(), RoutesError> {
        unreachable!("not asked for")
    }

    fn release(&self, _: &RouteId) -> Result<(), RoutesError> {
        unreachable!("not asked for")
    }

    fn account(&self) -> Result<Option<Account>, RoutesError> {
        unreachable!("not asked for")
    }
}

fn route(endpoint: &str) -> RouteId {
    RouteId { instance: "alice".parse().unwrap(), endpoint: endpoint.parse().unwrap() }
}

#[test]
fn a_hold_is_renewed_again_and_again_whether_or_not_a_renewal_fails() {
    let routes = Arc::new(Counting::default());
    let mut holding = Holding::new(routes.clone(), EVERY);
    holding.keep(route("ssh")).unwrap();
    holding.keep(route("ssh")).unwrap();
    routes.wait_for(3);
}

#[test]
fn a_route_that_was_let_go_is_not_held_any_more_and_no_renewal_is_under_way() {
    let routes = Arc::new(Counting::default());
    let mut holding = Holding::new(routes.clone(), EVERY);
    for _ in 0..20 {
        holding.keep(route("ssh")).unwrap();
        routes.wait_for(routes.begun.load(Ordering::SeqCst) + 1);
        assert_eq!(holding.let_go(&route("ssh")), Kept::Yes);
        let begun = routes.begun.load(Ordering::SeqCst);
        assert_eq!(routes.done.load(Ordering::SeqCst), begun, "one is under way");
        std::thread::sleep(4 * EVERY);
        assert_eq!(routes.begun.load(Ordering::SeqCst), begun);
    }
    assert_eq!(holding.let_go(&route("ssh")), Kept::No);
}

#[test]
fn letting_go_of_a_route_does_not_wait_for_the_renewal_of_another() {
    let routes = Arc::new(Counting { time: Duration::from_secs(3), ..Counting::default() });
    let mut holding = Holding::new(routes.clone(), EVERY);
    holding.keep(route("http")).unwrap();
    holding.keep(route("ssh")).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while routes.begun.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < until, "no renewal comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(holding.let_go(&route("ssh")), Kept::Yes);
    assert_eq!(routes.done.load(Ordering::SeqCst), 0, "the first renewal is under way");
}

#[test]
fn nothing_is_renewed_once_the_operation_is_over() {
    let routes = Arc::new(Counting::default());
    let mut holding = Holding::new(routes.clone(), EVERY);
    holding.keep(route("ssh")).unwrap();
    routes.wait_for(1);
    drop(holding);
    let begun = routes.begun.load(Ordering::SeqCst);
    std::thread::sleep(4 * EVERY);
    assert_eq!(routes.begun.load(Ordering::SeqCst), begun);
}

#[test]
fn an_operation_that_ends_does_not_wait_for_the_next_renewal() {
    let began = Instant::now();
    let mut holding = Holding::new(Arc::new(Counting::default()), Duration::from_hours(1));
    holding.keep(route("ssh")).unwrap();
    drop(holding);
    assert!(began.elapsed() < Duration::from_mins(1));
}
