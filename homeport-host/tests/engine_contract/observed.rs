//! Rules about what can be seen of containers.

use std::sync::mpsc;
use std::time::Duration;

use homeport_core::unit::Seconds;
use homeport_host::engine::{
    Access, BindMount, Cancel, ContainerEvent, ContainerSpec, EventKind, EventRequest, EventsEnd, ExitCode, Flow,
    LabelFilter, LogRequest, LogTail, LogsEnd, MountKind, MountPath, NetworkMode,
};

use super::{Bench, LABEL, Outputs};

pub(crate) fn facts_show_what_was_asked_for(bench: &Bench) {
    let network = bench.network();
    let spec = ContainerSpec {
        network: NetworkMode::Attached(network),
        binds: vec![
            bench.declared(),
            BindMount {
                source: MountPath::try_from(bench.dir.path()).unwrap(),
                target: "/data".parse().unwrap(),
                access: Access::ReadOnly,
            },
        ],
        labels: bench.labels().with("more", "1"),
        ..bench.spec("a", &["serve"])
    };
    let id = bench.engine.create(&spec).unwrap().id;
    let container = (&id).into();
    assert!(bench.engine.inspect(&container).unwrap().unwrap().addresses.values().count() == 0);
    bench.engine.start(&container).unwrap();
    let facts = bench.engine.inspect(&container).unwrap().unwrap();
    assert_eq!((&facts.id, &facts.name, facts.image), (&id, &spec.name, bench.image));
    assert_eq!(facts.labels.get("more"), Some("1"));
    assert_eq!(facts.labels.get(LABEL), Some(bench.run.as_str()));
    assert_eq!(facts.labels.get("of-image"), Some("1"));
    let addresses: Vec<_> = facts.addresses.iter().collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert_eq!(addresses[0].0, bench.network_name().as_str());
    assert!(addresses[0].1.is_ipv4());
    let data = facts.mounts.iter().find(|mount| mount.target == "/data").unwrap();
    assert_eq!((data.access, &data.kind), (Access::ReadOnly, &MountKind::Bind));
    assert_eq!(data.source, bench.dir.path().to_str().unwrap());
}

pub(crate) fn the_list_holds_what_matches_in_order(bench: &Bench) {
    let names = |filter: &LabelFilter| -> Vec<String> {
        let list = bench.engine.list(filter).unwrap();
        list.into_iter().map(|facts| facts.name.to_string()).collect()
    };
    assert!(names(&bench.filter()).is_empty());
    bench.started("b", &["exit", "1"]);
    bench.engine.create(&bench.spec("c", &["serve"])).unwrap();
    let other = ContainerSpec { labels: bench.labels().with("kind", "x"), ..bench.spec("a", &["serve"]) };
    bench.engine.create(&other).unwrap();
    let name = |suffix| bench.container(suffix).to_string();
    assert_eq!(names(&bench.filter()), [name("a"), name("b"), name("c")]);
    assert_eq!(names(&bench.filter().key("kind")), [name("a")]);
    assert_eq!(names(&bench.filter().value("kind", "x")), [name("a")]);
    assert!(names(&bench.filter().value("kind", "y")).is_empty());
}

pub(crate) fn output_is_kept_and_can_be_followed(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    let read = |request: &LogRequest| {
        let mut outputs = Outputs::default();
        let end = bench.engine.logs(&container, request, &mut |stream, bytes| outputs.take(stream, bytes)).unwrap();
        (end, outputs.out(), outputs.err())
    };
    // The program has written when the last of its lines is there.
    let cancel = Cancel::new();
    let mut seen = 0;
    let follow = LogRequest::follow(LogTail::All, cancel.clone());
    let end = bench.engine.logs(&container, &follow, &mut |_, bytes| {
        seen += String::from_utf8_lossy(bytes).matches('\n').count();
        if seen == 3 { Flow::Stop } else { Flow::Continue }
    });
    assert_eq!(end.unwrap(), LogsEnd::Stopped);

    let past = read(&LogRequest::past(LogTail::All));
    assert_eq!(past, (LogsEnd::Complete, "out 1\nout 2\n".to_owned(), "err 1\n".to_owned()));
    let (end, out, err) = read(&LogRequest::past(LogTail::Lines(1)));
    assert_eq!((end, out.lines().count() + err.lines().count()), (LogsEnd::Complete, 1));

    // Cancelled from another thread while nothing comes.
    let canceller = std::thread::spawn({
        let cancel = cancel.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            cancel.cancel();
        }
    });
    assert_eq!(read(&follow).0, LogsEnd::Cancelled);
    canceller.join().unwrap();

    // Ended by the container's end.
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let follow = LogRequest::follow(LogTail::All, Cancel::new());
            bench.engine.logs(&container, &follow, &mut |_, _| {
                sender.send(()).unwrap();
                Flow::Continue
            })
        });
        receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        bench.engine.stop(&container, Seconds::new(10)).unwrap();
        assert_eq!(follower.join().unwrap().unwrap(), LogsEnd::Complete);
    });
    assert_eq!(read(&LogRequest::past(LogTail::All)), past, "the output of a stopped container is kept");
}

/// Everything from the first event on until the container is removed.
fn whole_life(bench: &Bench, since: Option<time::OffsetDateTime>) -> Vec<ContainerEvent> {
    let mut events = Vec::new();
    let request = EventRequest { since, filter: bench.filter() };
    let end = bench.engine.events(&request, &Cancel::new(), &mut |event| {
        events.push(event.clone());
        if event.kind == EventKind::Removed { Flow::Stop } else { Flow::Continue }
    });
    assert_eq!(end.unwrap(), EventsEnd::Stopped);
    events
}

pub(crate) fn events_tell_a_whole_life_in_order(bench: &Bench) {
    let long_ago = time::OffsetDateTime::UNIX_EPOCH;
    let container = bench.started("a", &["exit", "69"]);
    bench.engine.wait(&container, Duration::from_secs(20)).unwrap();
    bench.engine.remove(&container).unwrap();
    let events = whole_life(bench, Some(long_ago));
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let expected = [EventKind::Created, EventKind::Started, EventKind::Died(ExitCode::new(69)), EventKind::Removed];
    assert_eq!(kinds, expected);
    assert!(events.is_sorted_by_key(|event| event.at));
    for event in &events {
        assert_eq!(event.name, bench.container("a"));
        assert_eq!(event.labels.get(LABEL), Some(bench.run.as_str()));
        assert_eq!(homeport_host::engine::ContainerRef::from(&event.id), container);
    }
    // Asked again from one of them on: that one is told again, the ones before it are not.
    assert_eq!(whole_life(bench, Some(events[2].at)), events[2..]);
}

pub(crate) fn events_wait_for_what_comes_and_can_be_cancelled(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    let request = EventRequest { since: Some(time::OffsetDateTime::UNIX_EPOCH), filter: bench.filter() };
    let cancel = Cancel::new();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            bench.engine.events(&request, &cancel, &mut |event| {
                sender.send(event.kind).unwrap();
                Flow::Continue
            })
        });
        let next = || receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((next(), next()), (EventKind::Created, EventKind::Started));
        bench.engine.kill(&container).unwrap();
        assert_eq!(next(), EventKind::Died(ExitCode::KILLED));
        cancel.cancel();
        assert_eq!(watcher.join().unwrap().unwrap(), EventsEnd::Cancelled);
    });
    let mut unexpected = 0;
    let end = bench.engine.events(&EventRequest { since: None, ..request }, &cancel, &mut |_| {
        unexpected += 1;
        Flow::Continue
    });
    assert_eq!((end.unwrap(), unexpected), (EventsEnd::Cancelled, 0));
}
