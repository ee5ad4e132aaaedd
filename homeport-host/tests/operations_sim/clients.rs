//! What clients see of operations: those who are connected stay where they can, those who come wait for as long as it takes,
//! and nobody is left behind when it is taken back, whatever became of the daemon.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use homeport_host::Host;
use homeport_host::engine::{ContainerId, ExitCode};
use homeport_host::hazard::{Hazard, Hazards, Moment, Point};
use homeport_host::operation::{self, OperationError};
use homeport_host::request::{SnapshotRef, UpgradeRequest};
use homeport_host::routes::{RouteState, Routes as _, SimClient, SimClientId, SimLead, SimRoutes};
use homeport_host::run::RunError;
use homeport_router::RouteId;

use crate::data::{restore, snapshot};
use crate::port::{MANIFEST, Manner, Sharing};
use crate::stage::{Command, Ground, Stage, Trouble, alice};
use crate::version::{request, rollback, second, shared, two_that_share, two_versions, upgrade, went};
use crate::view::Now;

fn route(endpoint: &str) -> RouteId {
    RouteId { instance: alice(), endpoint: endpoint.parse().unwrap() }
}

fn container(stage: &Stage) -> ContainerId {
    stage.ledger().instance(&alice()).unwrap().unwrap().container.unwrap()
}

/// What a test does at each point of an operation.
struct At<F>(F);

impl<F> fmt::Debug for At<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("At")
    }
}

impl<F: Fn(&Point) -> Hazard + Send + Sync> Hazards for At<F> {
    fn at(&self, point: &Point) -> Hazard {
        self.0(point)
    }
}

/// A new process in which this happens at each point.
fn process(stage: &Stage, at: impl Fn(&Point) -> Hazard + Send + Sync + 'static) -> Host {
    stage.engine.restart();
    let host = Host::new(stage.layout.clone(), Arc::new(stage.engine.clone()), Arc::new(stage.routes.clone()));
    host.simulated(Arc::new(At(at))).with_clock(Arc::new(stage.clock.clone()))
}

/// An operation in which each step takes its time.
fn slow(stage: &Stage, step: Duration) -> Host {
    process(stage, move |point| {
        if point.moment == Moment::AfterStep {
            std::thread::sleep(step);
        }
        Hazard::None
    })
}

/// Something that lets clients wait.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Restart,
    Config,
    Restore,
    Upgrade,
    /// Both versions run for a while: nobody has to wait.
    Overlap,
}

impl Deed {
    fn stage(self, ground: &Ground) -> Stage {
        let stage = if matches!(self, Self::Overlap) { two_that_share(ground) } else { two_versions(ground) };
        if matches!(self, Self::Restore) {
            stage.does(snapshot);
        }
        stage
    }

    fn carry_out(self, host: &Host) -> Result<(), OperationError> {
        let set = |greeting: &str| homeport_core::config::Given {
            key: "motd".into(),
            text: greeting.into(),
            source: homeport_core::config::Source::Argument,
        };
        let config = homeport_host::request::ConfigRequest { set: vec![set("welcome")], unset: Vec::new() };
        match self {
            Self::Restart => operation::restart(host, &alice()).map(drop),
            Self::Config => operation::config_change(host, &alice(), &config).map(drop),
            Self::Restore => restore(host, SnapshotRef::Latest).map(drop),
            Self::Upgrade | Self::Overlap => upgrade(host).map(drop),
        }
    }
}

/// Carries it out, with a client that comes as soon as clients are let wait.
fn with_a_client(stage: &Stage, deed: Deed, host: &Host) -> (Result<(), OperationError>, SimClientId) {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| deed.carry_out(host));
        let until = Instant::now() + Duration::from_secs(30);
        while stage.routes.leads()[&route("ssh")].1 != SimLead::Held {
            assert!(Instant::now() < until && !running.is_finished(), "{deed:?}: clients are never let wait");
            std::thread::sleep(Duration::from_millis(1));
        }
        let client = stage.routes.connect(&route("ssh"));
        (running.join().unwrap(), client)
    })
}

#[test]
fn clients_wait_for_as_long_as_an_operation_takes() {
    let ground = Ground::new();
    for deed in [Deed::Restart, Deed::Config, Deed::Restore, Deed::Upgrade] {
        let stage = deed.stage(&ground);
        stage.routes.set_hold_limit(Duration::from_secs(1));
        let host = slow(&stage, Duration::from_millis(110)).with_renewal(Duration::from_millis(40));
        let (done, client) = with_a_client(&stage, deed, &host);
        done.unwrap_or_else(|error| panic!("{deed:?}: {error}"));
        assert_eq!(stage.routes.client(client), SimClient::With(container(&stage)), "{deed:?}");
    }
}

#[test]
fn clients_wait_on_while_an_operation_is_taken_back() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    let before = container(&stage);
    stage.routes.set_hold_limit(Duration::from_secs(1));
    // Fails when the copy is there, and takes its time to take that back.
    let has_failed = AtomicBool::new(false);
    let host = process(&stage, move |point| {
        if point.moment == Moment::AfterUndo {
            std::thread::sleep(Duration::from_millis(220));
        }
        let fails = point.moment == Moment::AfterStep && point.step == 9 && !has_failed.swap(true, Ordering::Relaxed);
        if fails { Hazard::Fail } else { Hazard::None }
    });
    let (result, client) = with_a_client(&stage, Deed::Upgrade, &host.with_renewal(Duration::from_millis(40)));
    assert!(matches!(result, Err(OperationError::Run(RunError::Undone { .. }))), "{result:?}");
    assert_eq!(stage.settled("taken back"), Now::running("hello"));
    assert_ne!(container(&stage), before, "the version from before was started again");
    assert_eq!(stage.routes.client(client), SimClient::With(container(&stage)));
}

#[test]
fn a_hold_that_nobody_renews_ends() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.routes.set_hold_limit(Duration::from_millis(300));
    let host = slow(&stage, Duration::from_millis(110)).with_renewal(Duration::from_hours(1));
    let (done, client) = with_a_client(&stage, Deed::Upgrade, &host);
    done.unwrap();
    assert_eq!(stage.routes.client(client), SimClient::Reset);
    assert_eq!(stage.settled("upgraded all the same"), Now::running("hello@1.1.0"));
}

#[test]
fn clients_of_a_process_that_died_do_not_wait_for_ever() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.routes.set_hold_limit(Duration::from_secs(1));
    let host = process(&stage, |point| {
        if point.moment == Moment::AfterStep && point.step == 8 {
            std::thread::sleep(Duration::from_millis(1500));
            return Hazard::Die;
        }
        Hazard::None
    });
    let host = host.with_renewal(Duration::from_millis(40));
    let (result, client) = with_a_client(&stage, Deed::Upgrade, &host);
    assert!(matches!(result, Err(OperationError::Run(RunError::Died { .. }))), "{result:?}");
    assert_eq!(stage.routes.client(client), SimClient::Waits, "as long as it lived");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(stage.routes.client(client), SimClient::Reset);
    stage.run(Command::Unrelated, &Trouble::default());
    assert_eq!(stage.settled("brought to an end"), Now::running("hello"));
}

#[test]
fn clients_of_a_process_that_died_wait_on_as_soon_as_the_next_one_takes_it_back() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.routes.set_hold_limit(Duration::from_secs(4));
    let dies = |point: &Point| {
        if point.moment == Moment::AfterStep && point.step == 8 { Hazard::Die } else { Hazard::None }
    };
    let result = upgrade(&process(&stage, dies));
    assert!(matches!(result, Err(OperationError::Run(RunError::Died { .. }))), "{result:?}");
    let client = stage.routes.connect(&route("ssh"));
    std::thread::sleep(Duration::from_millis(2500));
    let has_paused = AtomicBool::new(false);
    let pauses = move |_: &Point| {
        if !has_paused.swap(true, Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(2));
        }
        Hazard::None
    };
    let host = process(&stage, pauses).with_renewal(Duration::from_hours(1));
    operation::resume_cut_off(&host).unwrap();
    assert_eq!(stage.settled("brought to an end"), Now::running("hello"));
    assert_eq!(stage.routes.client(client), SimClient::With(container(&stage)));
}

#[test]
fn clients_of_a_stopped_instance_wait_as_soon_as_it_is_started() {
    let ground = Ground::new();
    let stage = two_versions(&ground);
    stage.must(Command::Stop);
    let early = stage.routes.connect(&route("ssh"));
    assert_eq!(stage.routes.client(early), SimClient::Reset);
    let (routes, came) = (stage.routes.clone(), Arc::new(std::sync::OnceLock::new()));
    let host = {
        let came = came.clone();
        // Its address is had by then.
        process(&stage, move |point| {
            if (point.step, point.moment) == (1, Moment::AfterStep) {
                came.get_or_init(|| routes.connect(&route("ssh")));
            }
            Hazard::None
        })
    };
    operation::start(&host.with_renewal(Duration::from_hours(1)), &alice()).unwrap();
    assert_eq!(stage.routes.client(*came.get().unwrap()), SimClient::With(container(&stage)));
}

/// What becomes of the daemon in the middle of an operation.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// It is killed.
    Daemon,
    /// It loses the route.
    Route,
}

impl Loss {
    fn strike(self, routes: &SimRoutes) {
        match self {
            Self::Daemon => routes.end_daemon(),
            Self::Route => routes.lose(&route("ssh")),
        }
    }
}

/// Each step fails, and just before that the daemon goes or loses the route: that is no reason not to be taken back.
#[test]
fn an_operation_is_taken_back_whatever_became_of_the_daemon() {
    let ground = Ground::new();
    let mut cases = 0;
    for deed in [Deed::Restart, Deed::Config, Deed::Restore, Deed::Upgrade, Deed::Overlap] {
        for loss in [Loss::Daemon, Loss::Route] {
            for failing in 0.. {
                let stage = deed.stage(&ground);
                let seen = Arc::new(AtomicUsize::new(0));
                let (routes, count) = (stage.routes.clone(), seen.clone());
                let host = process(&stage, move |point| {
                    let is_step = matches!(point.moment, Moment::AfterStep | Moment::BeforeCommit);
                    if is_step && count.fetch_add(1, Ordering::Relaxed) == failing {
                        loss.strike(&routes);
                        return Hazard::Fail;
                    }
                    Hazard::None
                });
                let result = deed.carry_out(&host);
                let case = format!("{deed:?}, {loss:?} at {failing}");
                let Err(error) = result else { break };
                if let OperationError::Run(RunError::Stuck { left, .. }) = &error {
                    panic!("{case}: {left:?}");
                }
                assert!(matches!(error, OperationError::Run(RunError::Undone { .. })), "{case}: {error:?}");
                cases += 1;
                // Where nothing had to be led back, the daemon finds it by itself.
                stage.routes.ensure().unwrap();
                stage.routes.round().unwrap();
                // What does not run and is not started again: its clients are turned away once the hold is over.
                stage.routes.set_hold_limit(Duration::ZERO);
                let now = stage.settled(&case);
                let may_be_down = matches!(deed, Deed::Restart);
                assert!(now == Now::running("hello") || may_be_down && now == Now::down("hello"), "{case}: {now:?}");
            }
        }
    }
    println!("the daemon went, or lost the route, in {cases} operations that were taken back");
}

#[test]
fn what_cannot_be_led_back_is_said_and_is_led_back_when_it_can() {
    let ground = Ground::new();
    let stage = two_that_share(&ground);
    let port = stage.ledger().routes(&alice()).unwrap()[0].port;
    let routes = stage.routes.clone();
    let host = process(&stage, move |point| {
        if point.moment == Moment::BeforeCommit {
            // Another program is faster.
            routes.lose(&route("ssh"));
            routes.take(port);
            return Hazard::Fail;
        }
        Hazard::None
    });
    let result = upgrade(&host);
    let Err(OperationError::Run(RunError::Stuck { left, .. })) = &result else { panic!("{result:?}") };
    assert!(left.iter().all(|left| left.contains("cannot be listened on")) && left.len() == 1, "{left:?}");
    stage.routes.give_back(port);
    stage.run(Command::Unrelated, &Trouble::default());
    assert_eq!(stage.settled("the port is free again"), Now::running("hello"));
}

/// Version 1.1 has an endpoint more, with an address, and both versions may have the volumes at once.
fn with_another_endpoint(ground: &Ground) -> Stage {
    let added = r#""endpoints":{"web":{"port":8080,"protocol":"http","exposure":"public","default_public":"random"},"#;
    let stage = ground.stage_of(&shared(MANIFEST));
    stage.port.deeds().sharing = Sharing::Yes;
    stage.must(Command::Deploy);
    stage.any_time();
    stage.put_version(&shared(&second().replace(r#""endpoints":{"#, added)));
    let wished = BTreeMap::from([(route("web").endpoint, "random".parse().unwrap())]);
    stage.does(|host| operation::upgrade(host, &UpgradeRequest { routes: wished.clone(), ..request(None) }).map(went));
    stage
}

#[test]
fn clients_of_an_endpoint_that_goes_stay_with_the_version_that_has_it() {
    let ground = Ground::new();
    let stage = with_another_endpoint(&ground);
    let second = container(&stage);
    let (web, ssh) = (stage.routes.connect(&route("web")), stage.routes.connect(&route("ssh")));
    stage.does(rollback);
    for client in [web, ssh] {
        assert_eq!(stage.routes.client(client), SimClient::With(second.clone()));
    }
    assert_eq!(stage.settled("rolled back"), Now::running("hello"));
    let late = stage.routes.connect(&route("web"));
    assert_eq!(stage.routes.client(late), SimClient::Reset, "nobody new comes to the version that retires");
    let late = stage.routes.connect(&route("ssh"));
    assert_eq!(stage.routes.client(late), SimClient::With(container(&stage)));
    let account = stage.routes.account().unwrap().unwrap();
    let of_web = account.of(&route("web")).unwrap();
    assert_eq!((of_web.state.clone(), of_web.open), (RouteState::Closed, 1));
    // The address goes with the container.
    stage.does(|host| operation::retire(host, &alice(), std::slice::from_ref(&second)));
    assert_eq!(stage.routes.client(web), SimClient::Reset);
    assert_eq!(stage.routes.leads().into_keys().collect::<Vec<_>>(), [route("ssh")]);
    assert_eq!(stage.settled("retired"), Now::running("hello"));
}

#[test]
fn nobody_new_comes_to_a_version_whose_data_is_about_to_go_to_the_trash() {
    let ground = Ground::new();
    let stage = with_another_endpoint(&ground);
    let second = container(&stage);
    let web = stage.routes.connect(&route("web"));
    let took_over = AtomicBool::new(false);
    let host = process(&stage, move |point| {
        let was = took_over.fetch_or(point.moment == Moment::BeforeCommit, Ordering::Relaxed);
        if was && *point == (Point { step: 0, moment: Moment::AfterStep }) { Hazard::Fail } else { Hazard::None }
    });
    // It takes over, and of what is left to be done the first step alone.
    rollback(&host).ok();
    assert_ne!(container(&stage), second);
    let late = stage.routes.connect(&route("web"));
    assert_eq!(stage.routes.client(late), SimClient::Reset, "nobody new writes to what goes to the trash");
    assert_eq!(stage.routes.client(web), SimClient::With(second));
    stage.run(Command::Unrelated, &Trouble::default());
    assert_eq!(stage.settled("rolled back"), Now::running("hello"));
}

#[test]
fn an_address_that_goes_with_its_version_goes_with_whatever_ends_it() {
    let ground = Ground::new();
    for command in [Command::Stop, Command::Remove] {
        let stage = with_another_endpoint(&ground);
        stage.does(rollback);
        assert_eq!(stage.routes.leads().len(), 2);
        stage.must(command);
        assert!(!stage.routes.leads().contains_key(&route("web")), "{command:?}");
        stage.settled("afterwards");
    }
    // Up again it is had again, at the address that it had.
    let stage = with_another_endpoint(&ground);
    let address = stage.routes.leads()[&route("web")].0;
    stage.does(rollback);
    stage.does(rollback);
    assert_eq!(
        stage.routes.leads()[&route("web")],
        (address, SimLead::To(container(&stage), homeport_core::unit::PortNumber::new(8080)))
    );
}

#[test]
fn clients_of_a_container_that_retires_stay_when_the_new_one_cannot_be_started_again() {
    let ground = Ground::new();
    let stage = two_that_share(&ground);
    let (first, client) = (container(&stage), stage.routes.connect(&route("ssh")));
    stage.does(upgrade);
    let second = container(&stage);
    let named = stage.engine.containers().into_iter().find(|one| one.id == second).unwrap().name;
    stage.engine.exit(&named, ExitCode::new(70));
    stage.port.deeds().manner = Manner::Crashes;
    let (ran, _) = stage.with(&Trouble::default(), |host| operation::start_again(host, &alice(), Some(&second)));
    assert!(matches!(ran.result, Err(OperationError::Run(RunError::Undone { .. }))), "{}", ran.text());
    assert_eq!(stage.routes.client(client), SimClient::With(first));
}
