//! What a snapshot says of the reading: `stopped` and `frozen` only where that held from its beginning to its end.

use std::fs;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use homeport_host::engine::{ContainerRef, Engine as _, SimEngine};
use homeport_host::operation::SnapshotMade;
use homeport_host::progress::{Event, Progress};

use crate::data::snapshot;
use crate::data_rules::HOOKS;
use crate::port::Beside;
use crate::stage::{Command, Ground, Stage, alice};
use crate::view::Now;

fn consistency(made: &SnapshotMade) -> &'static str {
    made.snapshot.consistency.as_str()
}

#[test]
fn a_port_that_was_started_anew_while_it_was_read_was_not_frozen() {
    let ground = Ground::new();
    let stage = ground.stage_of(HOOKS);
    stage.must(Command::Deploy);
    stage.any_time();
    for command in ["still", "go"] {
        let (frozen, is_frozen) = channel();
        let (restarted, is_restarted) = channel::<()>();
        let happens = Beside(Box::new(move || {
            frozen.send(()).unwrap();
            is_restarted.recv().unwrap();
        }));
        stage.port.deeds().beside = Some((command.to_owned(), happens));
        let made = std::thread::scope(|scope| {
            let taking = scope.spawn(|| stage.does(snapshot));
            is_frozen.recv().unwrap();
            stage.must(Command::Restart);
            restarted.send(()).unwrap();
            taking.join().unwrap()
        });
        assert_eq!(consistency(&made), "running", "{command}");
        assert!(made.warnings.iter().any(|text| text.contains("running port")), "{command}: {:?}", made.warnings);
        assert_eq!(fs::read_dir(stage.layout.frozen_dir()).unwrap().count(), 0, "{command}");
        assert_eq!(stage.settled("restarted meanwhile"), Now::running("hello"));
    }
    assert_eq!(consistency(&stage.does(snapshot)), "frozen");
}

/// Starts a container behind HomePort's back as soon as a volume is read.
#[derive(Debug)]
struct Starts {
    engine: SimEngine,
    container: Mutex<Option<ContainerRef>>,
}

impl Progress for Starts {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Work { what, .. } if what.starts_with("read "))
            && let Some(container) = self.container.lock().unwrap().take()
        {
            self.engine.start(&container).unwrap();
        }
    }
}

fn started_meanwhile(stage: &Stage) -> SnapshotMade {
    let container = stage.ledger().instance(&alice()).unwrap().unwrap().container.map(ContainerRef::Id);
    let starts = Arc::new(Starts { engine: stage.engine.clone(), container: Mutex::new(container) });
    let made = stage.does(|host| snapshot(&host.clone().with_progress(starts.clone())));
    assert!(starts.container.lock().unwrap().is_none(), "nothing was started");
    made
}

#[test]
fn what_was_written_to_while_it_was_read_was_not_stopped() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.must(Command::Stop);
    assert_eq!(consistency(&stage.does(snapshot)), "stopped");
    let made = started_meanwhile(&stage);
    assert_eq!(consistency(&made), "running");
    assert!(made.warnings.iter().any(|text| text.contains("`alice` runs")), "{:?}", made.warnings);
}
