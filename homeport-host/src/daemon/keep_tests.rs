//! Whose connections end with a container, with real sockets: containers are played by threads that say nothing to their
//! peers when they die, as one that is killed may.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::channel;

use homeport_core::digest::Digest;
use homeport_core::manifest::Transport;
use homeport_core::unit::{PortNumber, Seconds};
use homeport_router::{DescriptorLimit, Limits, ListenAddress, ListenHost, RouteState, Router, Target};
use homeport_volumes::TxId;

use super::*;
use crate::daemon::drain::{self, Carrier};
use crate::engine::sim::{Fate, OnStop, SimEngine, SimImage};
use crate::engine::{ContainerName, ContainerSpec, Engine as _, ExitCode};
use crate::layout::Layout;
use crate::ledger::{LedgerWriter, NewOperation, RetiringRecord, RouteChoice, RouteRecord, Slot};
use crate::oplock::ProcessId;
use crate::routes::SimRoutes;

const IMAGE: Digest = Digest::new([1; 32]);
const PATIENCE: Duration = Duration::from_secs(20);

fn alice() -> InstanceName {
    "alice".parse().unwrap()
}

fn id() -> RouteId {
    RouteId { instance: alice(), endpoint: "ssh".parse().unwrap() }
}

/// One container of `alice`: in the engine, and as a thread that keeps its connections open whatever becomes of it.
struct Container {
    id: ContainerId,
    name: ContainerName,
    address: SocketAddr,
}

/// A daemon's keeper over a ledger, an engine and a router: `alice` runs in one container, and another one retires.
struct Stage {
    keeper: Keeper,
    engine: SimEngine,
    router: Router,
    address: SocketAddr,
    present: Container,
    retiring: Container,
    layout: Layout,
    tasks: Receiver<Task>,
    runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

/// An address of 127.0.0.0/8 that no other test uses, in this process or in one that runs beside it.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from((Ipv4Addr::new(127, 128 + (high & 63), low, next), 2222))
}

fn container(engine: &SimEngine, name: &str) -> Container {
    let name: ContainerName = name.parse().unwrap();
    let spec = ContainerSpec::least(name.clone(), IMAGE);
    let id = engine.create(&spec).unwrap().id;
    engine.start(&ContainerRef::Id(id.clone())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process of the tests.
    std::thread::spawn(move || listener.incoming().map(Result::ok).collect::<Vec<_>>());
    Container { id, name, address }
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let layout = Layout::under(directory.path()).unwrap();
        layout.prepare().unwrap();
        let engine = SimEngine::new();
        let image = SimImage::new(IMAGE, "test".parse().unwrap());
        engine.put_image(image.program(|_| Fate::Runs(OnStop::Exits(ExitCode::SUCCESS))));
        let (retiring, present) = (container(&engine, "homeport-a"), container(&engine, "homeport-b"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
        let router = Router::new(limits, runtime.handle().clone(), |_| {});
        let address = own_address();
        let listen = ListenAddress::new(ListenHost::Ip(address.ip()), PortNumber::new(address.port())).unwrap();
        router.reserve(&id(), listen).unwrap();
        let sockets = SimRoutes::new(engine.clone(), layout.clone());
        let host = Host::new(layout.clone(), Arc::new(engine.clone()), Arc::new(sockets));
        let (tasks, ordered) = channel();
        let keeper = Keeper::new(host, Addresses::new(router.clone(), &layout), tasks);
        let stage = Self {
            keeper,
            engine,
            router,
            address,
            present,
            retiring,
            layout,
            tasks: ordered,
            runtime,
            _directory: directory,
        };
        stage.write(|writer| {
            writer.put_instance(&Stage::record(Some(stage.present.id.clone()))).unwrap();
            writer.put_route(&stage.route()).unwrap();
            writer.put_retiring(&stage.retires()).unwrap();
        });
        stage
    }

    fn write(&self, write: impl FnOnce(&mut LedgerWriter<'_>)) {
        let lock = OperationLock::acquire(&self.layout, Wait::No, "test", now(), |_| {}).unwrap();
        write(&mut LedgerWriter::open(&lock).unwrap());
    }

    fn record(container: Option<ContainerId>) -> InstanceRecord {
        InstanceRecord {
            name: alice(),
            port: "shell".parse().unwrap(),
            version: semver::Version::new(1, 1, 0),
            image: IMAGE,
            reference: "test".to_owned(),
            manifest: b"{}".to_vec(),
            desired: Desired::Running,
            slot: Slot::Second,
            container,
            created: now(),
            changed: now(),
            overrides: serde_json::json!({}),
        }
    }

    fn route(&self) -> RouteRecord {
        RouteRecord {
            instance: alice(),
            endpoint: id().endpoint,
            listen: self.address.ip().to_string(),
            port: PortNumber::new(self.address.port()),
            choice: RouteChoice::Fixed,
            target_port: PortNumber::new(22),
            transport: Transport::Tcp,
        }
    }

    fn retires(&self) -> RetiringRecord {
        RetiringRecord {
            container: self.retiring.id.clone(),
            instance: alice(),
            slot: Slot::First,
            version: semver::Version::new(1, 0, 0),
            grace: Seconds::new(5),
            bundle: TxId::from_bytes([1; 16]),
            since: now(),
            until: now().after(Duration::from_hours(1)),
        }
    }

    /// A client that is connected with this container, to which its route leads from now on.
    fn client_of(&self, container: &Container) -> TcpStream {
        let target = Target::new(container.id.as_str().parse().unwrap(), container.address);
        self.router.point(&id(), target).unwrap();
        let client = TcpStream::connect(self.address).unwrap();
        let is_live = || {
            let live = self.router.status().into_iter().flat_map(|status| status.live);
            live.into_iter().any(|live| live.container.as_str() == container.id.as_str() && live.connections > 0)
        };
        let until = Instant::now() + PATIENCE;
        while !is_live() {
            assert!(Instant::now() < until, "the client is not served");
            std::thread::sleep(Duration::from_millis(1));
        }
        client
    }

    /// A client of each: the one that retires, and the present one.
    fn clients(&self) -> (TcpStream, TcpStream) {
        (self.client_of(&self.retiring), self.client_of(&self.present))
    }

    fn state(&self) -> RouteState {
        self.router.status().pop().unwrap().state
    }
}

fn assert_reset(mut client: TcpStream) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}

/// Nothing happens to it for a while.
fn assert_stays(mut client: &TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    assert_eq!(client.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn clients_of_a_container_that_retires_stay_when_the_new_one_fails() {
    // One that is started again, and one that is left alone.
    for (code, wanted) in [(1, RouteState::Held), (78, RouteState::Closed)] {
        let mut stage = Stage::new();
        let (old, new) = stage.clients();
        stage.engine.exit(&stage.present.name, ExitCode::new(code));
        let container = stage.present.id.clone();
        stage.keeper.died(&alice(), &container).unwrap();
        assert_reset(new);
        assert_stays(&old);
        assert_eq!(stage.state(), wanted, "{code}");
        // And what is looked at now and then ends nothing either.
        stage.keeper.round().unwrap();
        assert_stays(&old);
    }
}

#[test]
fn clients_of_a_container_that_retires_stay_when_there_is_no_other_one() {
    let mut stage = Stage::new();
    let old = stage.client_of(&stage.retiring);
    stage.write(|writer| {
        writer.put_instance(&Stage::record(None)).unwrap();
    });
    stage.keeper.round().unwrap();
    assert_eq!(stage.state(), RouteState::Held);
    assert_stays(&old);
}

#[test]
fn nobody_stays_connected_with_a_container_that_retired_and_was_killed() {
    let mut stage = Stage::new();
    let (old, new) = stage.clients();
    stage.engine.kill(&ContainerRef::Id(stage.retiring.id.clone())).unwrap();
    let container = stage.retiring.id.clone();
    stage.keeper.died(&alice(), &container).unwrap();
    assert_reset(old);
    assert_stays(&new);
    assert!(matches!(stage.state(), RouteState::Running { .. }), "the other one serves on");
}

#[test]
fn nobody_stays_connected_with_a_container_that_an_operation_stopped() {
    let mut stage = Stage::new();
    let client = stage.client_of(&stage.present);
    stage.write(|writer| {
        let operation = NewOperation {
            kind: "upgrade".to_owned(),
            instance: alice(),
            pid: ProcessId::current(),
            started: now(),
            plan: "{}".to_owned(),
            steps: Vec::new(),
        };
        writer.begin_operation(&operation).unwrap();
    });
    stage.router.hold(&id()).unwrap();
    stage.engine.kill(&ContainerRef::Id(stage.present.id.clone())).unwrap();
    let container = stage.present.id.clone();
    stage.keeper.died(&alice(), &container).unwrap();
    assert_reset(client);
    assert_eq!(stage.state(), RouteState::Held, "where clients come next is the operation's");
}

#[test]
fn an_end_that_was_missed_is_found_by_looking_at_everything() {
    let mut stage = Stage::new();
    let (old, new) = stage.clients();
    stage.engine.kill(&ContainerRef::Id(stage.retiring.id.clone())).unwrap();
    stage.keeper.round().unwrap();
    assert_reset(old);
    assert_stays(&new);
}

#[test]
fn a_container_that_retires_is_kept_as_long_as_a_drainer_has_a_client_of_it_or_does_not_answer() {
    let mut stage = Stage::new();
    let old = stage.client_of(&stage.retiring);
    // Another daemon takes over: it has a router of its own, and the client stays with this one.
    let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
    let next = Router::new(limits, stage.runtime.handle().clone(), |_| {});
    stage.keeper.addresses = Addresses::new(next, &stage.layout);
    let (path, listener) = drain::listen(&stage.layout).unwrap();
    stage.runtime.block_on(stage.router.stop_accepting());
    let orders = |stage: &mut Stage| {
        stage.keeper.round().unwrap();
        stage.tasks.try_iter().filter(|task| matches!(task, Task::Retire(..))).count()
    };
    // It listens, and answers nothing yet.
    assert_eq!(orders(&mut stage), 0);
    let drainer = Carrier::new(stage.router.clone(), stage.keeper.host.clone());
    let draining = stage.runtime.spawn(drainer.carry(listener, || true));
    assert_eq!(orders(&mut stage), 0);
    let (routes, left) = stage.keeper.addresses.told();
    assert_eq!((routes[0].open, left.len(), left[0].clients()), (1, 1, 1));
    assert_stays(&old);
    let container = stage.retiring.id.clone();
    stage.keeper.addresses.end_with(&alice(), &container);
    assert_reset(old);
    stage.runtime.block_on(draining).unwrap().unwrap();
    // As after a drainer that was killed: its name is there, and nobody listens.
    assert_eq!(orders(&mut stage), 1);
    assert!(!path.exists());
}

#[test]
fn clients_of_a_drainer_are_ended_with_their_container_and_no_others() {
    let mut stage = Stage::new();
    let (old, new) = stage.clients();
    let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
    let next = Router::new(limits, stage.runtime.handle().clone(), |_| {});
    stage.keeper.addresses = Addresses::new(next, &stage.layout);
    let (_path, listener) = drain::listen(&stage.layout).unwrap();
    stage.runtime.block_on(stage.router.stop_accepting());
    stage.runtime.spawn(Carrier::new(stage.router.clone(), stage.keeper.host.clone()).carry(listener, || true));
    stage.engine.kill(&ContainerRef::Id(stage.retiring.id.clone())).unwrap();
    let container = stage.retiring.id.clone();
    stage.keeper.died(&alice(), &container).unwrap();
    assert_reset(old);
    assert_stays(&new);
}

#[test]
fn an_address_that_somebody_else_had_is_bound_soon_after_it_is_free() {
    let mut stage = Stage::new();
    stage.write(|writer| {
        writer.remove_retiring(&stage.retiring.id).unwrap();
    });
    stage.runtime.block_on(stage.router.release(&id()));
    let other = TcpListener::bind(stage.address).unwrap();
    stage.keeper.round().unwrap();
    assert!(stage.router.status().is_empty());
    assert!(stage.keeper.next_round <= Instant::now() + SOON, "it is tried again before the next look at everything");
    drop(other);
    stage.keeper.round().unwrap();
    assert_eq!(stage.router.status()[0].id, id());
    assert!(stage.keeper.next_round > Instant::now() + SOON);
}
