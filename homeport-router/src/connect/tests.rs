//! The way to a target, with scripted attempts and paused time.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::gate::GateEvent;
use crate::test_route::limits;

const A: &str = "10.0.0.1:22";
const B: &str = "10.0.0.2:22";

fn target(address: &str) -> Target {
    Target::new("c".parse().unwrap(), address.parse().unwrap())
}

fn gate(events: impl IntoIterator<Item = GateEvent>) -> watch::Sender<Gate> {
    let mut gate = Gate::fresh();
    for event in events {
        gate.apply(event);
    }
    watch::Sender::new(gate)
}

fn let_happen(gate: &watch::Sender<Gate>, event: GateEvent) {
    gate.send_if_modified(|gate| gate.apply(event).is_some());
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

#[tokio::test(start_paused = true)]
async fn an_absent_target_is_tried_until_the_limit_and_no_longer() {
    let gate = gate([GateEvent::Point(target(A))]);
    let (attempts, began) = (Cell::new(0), Instant::now());
    let result = reach(
        &mut gate.subscribe(),
        &limits(),
        |_| async {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(refused())
        },
        |_, _| {},
    )
    .await;
    let Err(Unreached::TooLong { target: last, cause }) = result else { panic!("{result:?}") };
    assert_eq!((last, cause.kind()), (target(A), io::ErrorKind::ConnectionRefused));
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(10) && took >= Duration::from_secs(9), "{took:?}");
    assert!((20..=30).contains(&attempts.get()), "{} attempts", attempts.get());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_any_answer_is_given_up_after_its_own_limit() {
    let gate = gate([GateEvent::Point(target(A))]);
    let (attempts, began) = (Cell::new(0), Instant::now());
    let result = reach(
        &mut gate.subscribe(),
        &limits(),
        |_| async {
            attempts.set(attempts.get() + 1);
            std::future::pending::<io::Result<()>>().await
        },
        |_, _| {},
    )
    .await;
    assert!(matches!(result, Err(Unreached::TooLong { cause, .. }) if cause.kind() == io::ErrorKind::TimedOut));
    assert!(began.elapsed() <= Duration::from_secs(10));
    assert_eq!(attempts.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_appears_within_the_limit_is_reached_soon() {
    let gate = gate([GateEvent::Point(target(A))]);
    let began = Instant::now();
    let appears = Duration::from_secs(7);
    let dial = |_| async move { if began.elapsed() < appears { Err(refused()) } else { Ok(()) } };
    let reached = reach(&mut gate.subscribe(), &limits(), dial, |_, _| {}).await.unwrap();
    assert_eq!(reached.target, target(A));
    assert!(began.elapsed() <= appears + Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_new_target_is_tried_at_once_even_while_the_old_one_does_not_answer() {
    let gate = gate([GateEvent::Point(target(A))]);
    let dial = |address: SocketAddr| async move {
        if address == A.parse().unwrap() { std::future::pending().await } else { Ok(address) }
    };
    let (limits, began) = (limits(), Instant::now());
    let mut route = gate.subscribe();
    let (reached, ()) = tokio::join!(reach(&mut route, &limits, dial, |_, _| {}), async {
        sleep(Duration::from_millis(300)).await;
        let_happen(&gate, GateEvent::Point(target(B)));
    });
    let reached = reached.unwrap();
    assert_eq!((reached.target, reached.generation.get(), reached.stream), (target(B), 2, B.parse().unwrap()));
    assert_eq!(began.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_hold_does_not_count() {
    let gate = gate([]);
    let limits = limits();
    let mut route = gate.subscribe();
    let dial = |_| async { Ok(()) };
    let (reached, ()) = tokio::join!(reach(&mut route, &limits, dial, |_, _| {}), async {
        sleep(limits.connect_limit * 5).await;
        let_happen(&gate, GateEvent::Point(target(A)));
    });
    assert_eq!(reached.unwrap().generation.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_closes_refuses_those_who_wait() {
    for (first, then) in [
        (vec![], GateEvent::Close),
        (vec![], GateEvent::Release),
        (vec![GateEvent::Point(target(A))], GateEvent::Close),
        (vec![GateEvent::Point(target(A))], GateEvent::Release),
    ] {
        let gate = gate(first.clone());
        let mut route = gate.subscribe();
        let (limits, began) = (limits(), Instant::now());
        let dial = |_| async { Err::<(), _>(refused()) };
        let (result, ()) = tokio::join!(reach(&mut route, &limits, dial, |_, _| {}), async {
            sleep(Duration::from_secs(1)).await;
            let_happen(&gate, then.clone());
        });
        assert!(matches!(result, Err(Unreached::Refused)), "{first:?} {then:?}");
        assert_eq!(began.elapsed(), Duration::from_secs(1), "{first:?} {then:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_route_dials_nobody() {
    let gate = gate([GateEvent::Point(target(A)), GateEvent::Close]);
    let dial = |_| async { panic!("dialled") };
    let result =
        timeout(Duration::from_secs(1), reach::<(), _>(&mut gate.subscribe(), &limits(), dial, |_, _| {})).await;
    assert!(matches!(result, Ok(Err(Unreached::Refused))));
}
