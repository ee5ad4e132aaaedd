//! Rules about networks, and about what a name means.

use std::time::Duration;

use homeport_core::unit::Seconds;
use homeport_host::engine::{
    ContainerRef, EngineError, EnsureOutcome, ExecStreams, Flow, LabelFilter, Labels, LogRequest, LogTail, NetworkMode,
    NetworkSpec, PeerTraffic, RemoveOutcome, Subject,
};

use super::{Bench, LABEL, fixture};

pub(crate) fn a_network_is_made_once(bench: &Bench) {
    let spec = bench.network_spec();
    assert_eq!(bench.engine.network(&spec.name, &LabelFilter::any()).unwrap(), None);
    let EnsureOutcome::Created(id) = bench.engine.ensure_network(&spec).unwrap() else { panic!("it was there") };
    assert_eq!(bench.engine.ensure_network(&spec).unwrap(), EnsureOutcome::Unchanged(id.clone()));
    assert_eq!(bench.engine.network(&spec.name, &bench.filter()).unwrap(), Some(id.clone()));
    assert_eq!(bench.engine.network(&spec.name, &LabelFilter::any().key("other")).unwrap(), None);

    let others = [
        NetworkSpec { labels: Labels::new().with(LABEL, "other"), ..spec.clone() },
        NetworkSpec { peers: PeerTraffic::Allowed, ..spec.clone() },
    ];
    for other in others {
        let result = bench.engine.ensure_network(&other);
        assert!(matches!(result, Err(EngineError::Conflict { .. })), "{result:?}");
    }
    assert_eq!(bench.engine.remove_network(&id).unwrap(), RemoveOutcome::Removed);
    assert_eq!(bench.engine.remove_network(&id).unwrap(), RemoveOutcome::Absent);
}

pub(crate) fn a_network_in_use_is_not_removed(bench: &Bench) {
    let network = bench.network();
    let spec = bench.spec("a", &["serve"]);
    let spec = homeport_host::engine::ContainerSpec { network: NetworkMode::Attached(network.clone()), ..spec };
    let container = bench.engine.create(&spec).unwrap().id.into();
    bench.engine.start(&container).unwrap();
    let used = bench.engine.remove_network(&network);
    assert!(matches!(used, Err(EngineError::Conflict { .. })), "{used:?}");
    bench.engine.remove(&container).unwrap();
    assert_eq!(bench.engine.remove_network(&network).unwrap(), RemoveOutcome::Removed);
}

pub(crate) fn a_name_is_given_once(bench: &Bench) {
    let first = bench.engine.create(&bench.spec("a", &["serve"])).unwrap().id;
    let second = bench.engine.create(&bench.spec("a", &["serve"]));
    assert!(matches!(second, Err(EngineError::Conflict { .. })), "{second:?}");
    bench.engine.remove(&first.clone().into()).unwrap();
    let third = bench.engine.create(&bench.spec("a", &["serve"])).unwrap().id;
    assert_ne!(first, third);
    assert_eq!(bench.engine.inspect(&(&bench.container("a")).into()).unwrap().unwrap().id, third);
}

pub(crate) fn the_beginning_of_an_id_is_no_name(bench: &Bench) {
    let id = bench.engine.create(&bench.spec("a", &["serve"])).unwrap().id;
    let prefix = ContainerRef::Name(id.as_str()[..12].parse().unwrap());
    assert_eq!(bench.engine.inspect(&prefix).unwrap(), None);
    assert_eq!(bench.engine.remove(&prefix).unwrap(), RemoveOutcome::Absent);
    assert!(matches!(bench.engine.start(&prefix), Err(EngineError::NotFound { .. })));
    assert!(bench.engine.inspect(&id.into()).unwrap().is_some());
}

pub(crate) fn what_is_not_there_is_said_to_be_missing(bench: &Bench) {
    let missing = ContainerRef::Name(bench.container("none"));
    assert_eq!(bench.engine.inspect(&missing).unwrap(), None);
    assert_eq!(bench.engine.remove(&missing).unwrap(), RemoveOutcome::Absent);
    let ignore = &mut |_, _: &[u8]| Flow::Continue;
    let results = [
        bench.engine.start(&missing).map(drop),
        bench.engine.stop(&missing, Seconds::new(1)).map(drop),
        bench.engine.kill(&missing).map(drop),
        bench.engine.wait(&missing, Duration::from_secs(1)).map(drop),
        bench.engine.logs(&missing, &LogRequest::past(LogTail::All), ignore).map(drop),
        bench.engine.exec(&missing, &fixture(&["who"]), ExecStreams::output(&mut |_, _| Flow::Continue)).map(drop),
    ];
    for result in results {
        let Err(error) = result else { panic!("it was there") };
        assert!(matches!(error, EngineError::NotFound { what: Subject::Container, .. }), "{error:?}");
        assert!(error.to_string().contains(&missing.to_string()), "{error}");
    }
}

pub(crate) fn a_missing_network_is_an_error_at_the_latest_at_the_start(bench: &Bench) {
    let gone = bench.network();
    bench.engine.remove_network(&gone).unwrap();
    let spec = bench.spec("a", &["serve"]);
    let spec = homeport_host::engine::ContainerSpec { network: NetworkMode::Attached(gone), ..spec };
    let result = bench.engine.create(&spec).and_then(|made| bench.engine.start(&made.id.into()));
    assert!(matches!(result, Err(EngineError::NotFound { what: Subject::Network, .. })), "{result:?}");
}
