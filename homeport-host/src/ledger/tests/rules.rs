//! Each rule of what the ledger takes and refuses, on a real file.

use std::path::Path;

use homeport_core::fault::Advice as _;
use homeport_core::manifest::Transport;

use super::sample::{Root, config, event, instance, now, operation, route, volume};
use crate::ledger::*;

/// Opens a fresh ledger for writing as `$writer`.
macro_rules! fresh {
    ($root:ident, $writer:ident) => {
        let $root = Root::new();
        let lock = $root.lock();
        let mut $writer = LedgerWriter::open(&lock).unwrap();
    };
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, LedgerError>, code: &str, text: &str) {
    let error = result.unwrap_err();
    assert!(error.refusal().is_some(), "{error:?}");
    assert_eq!((error.code(), error.to_string().as_str()), (code, text));
}

#[test]
fn what_is_put_is_read_back_equal() {
    fresh!(root, writer);
    let id = writer.create_root(&now()).unwrap();
    assert_eq!(writer.create_root(&now()).unwrap(), id);
    let (alice, name) = (instance("alice"), "alice".parse().unwrap());
    let home =
        VolumeRecord { generation: i64::MAX.unsigned_abs(), has_data: HasData::Yes, ..volume(1, "alice", "home") };
    let ssh = route("alice", "ssh", "*", 65535);
    let said = EventRecord { instance: Some("alice".parse().unwrap()), ..event("hello\n") };
    for wanted in [Change::Changed, Change::Unchanged] {
        assert_eq!(writer.put_instance(&alice).unwrap(), wanted);
        assert_eq!(writer.put_config(&name, &config(1)).unwrap(), wanted);
        assert_eq!(writer.put_volume(&home).unwrap(), wanted);
        assert_eq!(writer.put_route(&ssh).unwrap(), wanted);
        assert_eq!(writer.append_event(&said).unwrap(), wanted);
    }
    let reader = root.ledger();
    assert_eq!(reader.root_id().unwrap(), Some(id));
    assert_eq!(reader.instances().unwrap(), std::slice::from_ref(&alice));
    assert_eq!(reader.instance(&name).unwrap(), Some(alice));
    assert_eq!(reader.config(&name).unwrap(), config(1));
    assert_eq!(reader.volumes(&name).unwrap(), std::slice::from_ref(&home));
    assert_eq!(reader.volume_by_path(Path::new("/srv/1")).unwrap(), Some(home.clone()));
    assert_eq!(reader.volume_by_uuid(&home.uuid).unwrap(), Some(home));
    assert_eq!(reader.routes(&name).unwrap(), std::slice::from_ref(&ssh));
    assert_eq!(reader.leased_ports().unwrap(), [ssh.port].into());
    assert_eq!(reader.events(Some(&name), 10).unwrap(), [said]);
    assert_eq!(reader.events(Some(&"bob".parse().unwrap()), 10).unwrap(), []);
}

#[test]
fn removing_an_instance_takes_configuration_and_routes_and_never_volumes() {
    fresh!(root, writer);
    let name = "alice".parse().unwrap();
    writer.put_instance(&instance("alice")).unwrap();
    writer.put_config(&name, &config(1)).unwrap();
    writer.put_route(&route("alice", "ssh", "*", 22)).unwrap();
    writer.put_volume(&volume(1, "alice", "home")).unwrap();
    assert_eq!(writer.remove_instance(&name).unwrap(), Change::Changed);
    assert_eq!(writer.remove_instance(&name).unwrap(), Change::Unchanged);
    assert_eq!(writer.config(&name).unwrap(), InstanceConfig::default());
    assert_eq!(writer.all_routes().unwrap(), []);
    assert_eq!(writer.all_volumes().unwrap(), [volume(1, "alice", "home")]);
}

#[test]
fn desired_state_and_container_are_set_with_the_time_of_the_change() {
    fresh!(root, writer);
    let (name, later): (_, Time) = ("alice".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
    refused(writer.set_desired(&name, Desired::Stopped, &later), "HP-LED-026", "the ledger has no instance `alice`");
    refused(writer.set_container(&name, None, &later), "HP-LED-026", "the ledger has no instance `alice`");
    refused(writer.put_config(&name, &config(1)), "HP-LED-026", "the ledger has no instance `alice`");
    refused(writer.put_route(&route("alice", "a", "*", 1)), "HP-LED-026", "the ledger has no instance `alice`");
    writer.put_instance(&instance("alice")).unwrap();
    assert_eq!(writer.set_desired(&name, Desired::Running, &later).unwrap(), Change::Unchanged);
    assert_eq!(writer.instance(&name).unwrap().unwrap().changed, now());
    assert_eq!(writer.set_desired(&name, Desired::Stopped, &later).unwrap(), Change::Changed);
    assert_eq!(writer.set_container(&name, None, &later).unwrap(), Change::Changed);
    assert_eq!(writer.set_container(&name, None, &later).unwrap(), Change::Unchanged);
    let wanted = InstanceRecord { desired: Desired::Stopped, container: None, changed: later, ..instance("alice") };
    assert_eq!(writer.instance(&name).unwrap(), Some(wanted));
}

#[test]
fn a_name_stays_with_its_port() {
    fresh!(root, writer);
    writer.put_instance(&instance("alice")).unwrap();
    let web = InstanceRecord { port: "web".parse().unwrap(), ..instance("alice") };
    refused(writer.put_instance(&web), "HP-LED-027", "instance `alice` is of port `shell`, not of `web`");
}

#[test]
fn a_volume_is_one_thing_in_one_place() {
    fresh!(root, writer);
    let home = VolumeRecord { has_data: HasData::Yes, generation: 5, ..volume(1, "alice", "home") };
    writer.put_volume(&home).unwrap();
    let uuid = home.uuid.as_str();
    let rows = [
        (
            VolumeRecord { path: home.path.clone(), ..volume(2, "bob", "home") },
            "HP-LED-029",
            "`/srv/1` already belongs to volume `home` of instance `alice`".to_owned(),
        ),
        (
            volume(2, "alice", "home"),
            "HP-LED-030",
            format!("volume `home` of instance `alice` (port `shell`) is {uuid}, not {}", volume(2, "a", "b").uuid),
        ),
        (
            VolumeRecord { instance: "bob".parse().unwrap(), ..home.clone() },
            "HP-LED-031",
            format!("volume {uuid} is `home` of instance `alice` (port `shell`) and cannot become another"),
        ),
        (
            VolumeRecord { generation: 4, ..home.clone() },
            "HP-LED-032",
            format!("generation of volume {uuid} cannot go back: found 5, wanted 4"),
        ),
        (
            VolumeRecord { has_data: HasData::No, ..home.clone() },
            "HP-LED-033",
            format!("volume {uuid} (`home` of instance `alice`) has data and cannot be forgotten or called blank"),
        ),
        (
            VolumeRecord { path: "srv".into(), ..volume(2, "bob", "home") },
            "HP-LED-035",
            "the path of a volume cannot be stored: found `srv`, wanted an absolute path in UTF-8".to_owned(),
        ),
        (
            VolumeRecord { generation: u64::MAX, ..home.clone() },
            "HP-LED-035",
            format!("the generation of a volume cannot be stored: found `{}`, wanted at most 2^63 - 1", u64::MAX),
        ),
    ];
    for (record, code, text) in rows {
        refused(writer.put_volume(&record), code, &text);
        assert_eq!(writer.all_volumes().unwrap(), std::slice::from_ref(&home));
    }
    let moved = VolumeRecord { path: "/mnt/new".into(), generation: 6, state: VolumeState::Kept, ..home };
    assert_eq!(writer.put_volume(&moved).unwrap(), Change::Changed);
    assert_eq!(writer.all_volumes().unwrap(), [moved]);
}

#[test]
fn generation_and_state_are_set_and_only_a_blank_volume_is_forgotten() {
    fresh!(root, writer);
    let home = volume(1, "alice", "home");
    let uuid = home.uuid.as_str();
    let unknown = format!("the ledger has no volume {uuid}");
    refused(writer.set_volume_generation(uuid, 1), "HP-LED-028", &unknown);
    refused(writer.set_volume_state(uuid, VolumeState::Kept), "HP-LED-028", &unknown);
    assert_eq!(writer.forget_volume(uuid).unwrap(), Change::Unchanged);
    writer.put_volume(&home).unwrap();
    assert_eq!(writer.forget_volume(uuid).unwrap(), Change::Changed);
    assert_eq!(writer.all_volumes().unwrap(), []);

    writer.put_volume(&VolumeRecord { has_data: HasData::Yes, ..home.clone() }).unwrap();
    assert_eq!(writer.set_volume_generation(uuid, 2).unwrap(), Change::Changed);
    assert_eq!(writer.set_volume_generation(uuid, 2).unwrap(), Change::Unchanged);
    assert_eq!(writer.set_volume_generation(uuid, 1).unwrap_err().code(), "HP-LED-032");
    assert_eq!(writer.set_volume_state(uuid, VolumeState::Kept).unwrap(), Change::Changed);
    assert_eq!(writer.set_volume_state(uuid, VolumeState::Kept).unwrap(), Change::Unchanged);
    assert_eq!(writer.forget_volume(uuid).unwrap_err().code(), "HP-LED-033");
    let wanted = VolumeRecord { has_data: HasData::Yes, generation: 2, state: VolumeState::Kept, ..home };
    assert_eq!(writer.all_volumes().unwrap(), [wanted]);
}

#[test]
fn a_public_port_has_one_owner() {
    fresh!(root, writer);
    writer.put_instance(&instance("alice")).unwrap();
    writer.put_instance(&instance("bob")).unwrap();
    let ssh = route("alice", "ssh", "127.0.0.1", 22);
    writer.put_route(&ssh).unwrap();
    let text = "public port `127.0.0.1:22` is leased by endpoint `ssh` of instance `alice`";
    for (instance, endpoint, listen) in
        [("bob", "ssh", "127.0.0.1"), ("alice", "web", "127.0.0.1"), ("bob", "ssh", "*"), ("alice", "ssh", "0.0.0.0")]
    {
        refused(writer.put_route(&route(instance, endpoint, listen, 22)), "HP-LED-034", text);
    }
    let fixed = RouteRecord { choice: RouteChoice::Fixed, ..ssh };
    assert_eq!(writer.put_route(&fixed).unwrap(), Change::Changed);
    assert_eq!(writer.put_route(&route("bob", "ssh", "::", 22)).unwrap(), Change::Changed);
    // UDP has ports of its own.
    let udp = |instance: &str, listen: &str| RouteRecord {
        transport: Transport::Udp,
        ..route(instance, "names", listen, 22)
    };
    assert_eq!(writer.put_route(&udp("bob", "*")).unwrap(), Change::Changed);
    let text = "public port `*:22/udp` is leased by endpoint `names` of instance `bob`";
    refused(writer.put_route(&udp("alice", "127.0.0.1")), "HP-LED-034", text);
    assert_eq!(writer.routes(&"bob".parse().unwrap()).unwrap(), [udp("bob", "*"), route("bob", "ssh", "::", 22)]);
    let other = RouteRecord { transport: Transport::Tcp, ..udp("bob", "*") };
    assert_eq!(writer.remove_route(&other).unwrap(), Change::Unchanged);
    assert_eq!(writer.remove_route(&udp("bob", "*")).unwrap(), Change::Changed);
    assert_eq!(writer.remove_route(&route("bob", "ssh", "127.0.0.1", 22)).unwrap(), Change::Unchanged);
    assert_eq!(writer.routes(&"alice".parse().unwrap()).unwrap(), std::slice::from_ref(&fixed));
    assert_eq!(writer.remove_route(&fixed).unwrap(), Change::Changed);
    assert_eq!(writer.remove_route(&fixed).unwrap(), Change::Unchanged);
    for (listen, port) in [("localhost", 1), ("[::1]", 1), ("", 1), ("*", 0)] {
        let error = writer.put_route(&route("bob", "a", listen, port)).unwrap_err();
        assert_eq!(error.code(), "HP-LED-035", "{listen}:{port}");
    }
}

#[test]
fn there_is_one_open_operation_and_it_ends_only_when_its_steps_agree() {
    fresh!(root, writer);
    let id = writer.begin_operation(&operation("alice", 2)).unwrap();
    refused(
        writer.begin_operation(&operation("bob", 0)),
        "HP-LED-020",
        &format!("operation {id} (`deploy` of `alice`) is not finished"),
    );
    let unsettled = |to, state| format!("operation {id} cannot be {to}: its step 0 (`step-0`) is {state}");
    refused(writer.finish_operation(id, OperationEnd::Done, ""), "HP-LED-025", &unsettled("done", "planned"));
    refused(
        writer.step_done(id, 1),
        "HP-LED-023",
        &format!("step 1 (`step-1`) of operation {id} is planned and cannot become done"),
    );
    for wanted in [Change::Changed, Change::Unchanged] {
        assert_eq!(writer.step_begun(id, 0).unwrap(), wanted);
    }
    refused(writer.finish_operation(id, OperationEnd::Undone, ""), "HP-LED-025", &unsettled("undone", "begun"));
    writer.step_failed(id, 0).unwrap();
    refused(writer.finish_operation(id, OperationEnd::Undone, ""), "HP-LED-025", &unsettled("undone", "failed"));
    writer.step_undoing(id, 0).unwrap();
    writer.step_undone(id, 0).unwrap();
    refused(writer.step_begun(id, 2), "HP-LED-022", &format!("operation {id} has no step 2"));
    for wanted in [Change::Changed, Change::Unchanged] {
        assert_eq!(writer.finish_operation(id, OperationEnd::Undone, "no such image").unwrap(), wanted);
    }
    refused(
        writer.finish_operation(id, OperationEnd::Done, ""),
        "HP-LED-024",
        &format!("operation {id} is undone and cannot become done"),
    );
    assert_eq!(writer.step_begun(id, 1).unwrap_err().code(), "HP-LED-024");
    assert_eq!(writer.open_operation().unwrap(), None);
    let (found, steps) = writer.operation(id).unwrap().unwrap();
    assert_eq!((found.state, found.message.as_str()), (OperationState::Undone, "no such image"));
    let states: Vec<_> = steps.iter().map(|step| (step.index, step.state)).collect();
    assert_eq!(states, [(0, StepState::Undone), (1, StepState::Planned)]);
    let unknown = OperationId::new(99);
    refused(writer.step_begun(unknown, 0), "HP-LED-021", "the ledger has no operation 99");
    refused(writer.finish_operation(unknown, OperationEnd::Done, ""), "HP-LED-021", "the ledger has no operation 99");
}

#[test]
fn a_stuck_operation_is_remembered_until_it_is_repaired() {
    fresh!(root, writer);
    let stuck = writer.begin_operation(&operation("alice", 1)).unwrap();
    writer.step_begun(stuck, 0).unwrap();
    writer.finish_operation(stuck, OperationEnd::Stuck, "disk gone").unwrap();
    assert_eq!(writer.stuck_operations().unwrap().iter().map(|found| found.id).collect::<Vec<_>>(), [stuck]);
    let second = writer.begin_operation(&operation("bob", 0)).unwrap();
    assert!(second > stuck);
    writer.finish_operation(second, OperationEnd::Done, "").unwrap();
    writer.step_done(stuck, 0).unwrap();
    writer.finish_operation(stuck, OperationEnd::Done, "repaired").unwrap();
    assert_eq!(writer.stuck_operations().unwrap(), []);
}

#[test]
fn writes_together_are_there_together_or_not_at_all() {
    fresh!(root, writer);
    let both = writer.together(|writer| {
        writer.put_instance(&instance("alice"))?;
        // A write that is refused leaves the others as they are.
        assert!(writer.put_route(&route("bob", "ssh", "*", 22)).is_err());
        writer.together(|writer| writer.put_route(&route("alice", "ssh", "*", 22)))
    });
    assert_eq!(both.unwrap(), Change::Changed);
    let none: Result<(), LedgerError> = writer.together(|writer| {
        writer.remove_instance(&"alice".parse().unwrap())?;
        writer.put_instance(&instance("bob"))?;
        writer.put_route(&route("carol", "ssh", "*", 22)).map(|_| ())
    });
    refused(none, "HP-LED-026", "the ledger has no instance `carol`");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        writer.together(|writer| -> Result<(), LedgerError> {
            writer.put_instance(&instance("bob"))?;
            panic!("in the middle");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(writer.instances().unwrap(), [instance("alice")]);
    assert_eq!(writer.all_routes().unwrap(), [route("alice", "ssh", "*", 22)]);
    writer.put_instance(&instance("bob")).unwrap();
    assert_eq!(root.ledger().instances().unwrap().len(), 2);
}

#[test]
fn answers_of_one_moment_do_not_change_under_the_reader() {
    fresh!(root, writer);
    writer.put_instance(&instance("alice")).unwrap();
    let reader = root.ledger();
    let counts = reader.at_one_moment(|reader| {
        let before = reader.instances()?.len();
        writer.put_instance(&instance("bob"))?;
        Ok::<_, LedgerError>((before, reader.instances()?.len()))
    });
    assert_eq!(counts.unwrap(), (1, 1));
    assert_eq!(reader.instances().unwrap().len(), 2);
}

#[test]
fn history_and_finished_operations_are_bounded_and_newest_last() {
    fresh!(root, writer);
    writer
        .together(|writer| {
            for n in 0..10_050 {
                let time = format!("2026-11-23T{:02}:{:02}:{:02}Z", n / 3600, n / 60 % 60, n % 60).parse().unwrap();
                writer.append_event(&EventRecord { time, ..event(&n.to_string()) })?;
            }
            for _ in 0..205 {
                let id = writer.begin_operation(&operation("alice", 1))?;
                writer.finish_operation(id, OperationEnd::Undone, "")?;
            }
            Ok::<_, LedgerError>(())
        })
        .unwrap();
    let texts: Vec<_> = writer.events(None, 2).unwrap().into_iter().map(|event| event.text).collect();
    assert_eq!(texts, ["10048", "10049"]);
    assert_eq!(writer.events(None, u32::MAX).unwrap().len(), 10_000);
    assert_eq!(writer.operation(OperationId::new(1)).unwrap(), None);
    assert!(writer.operation(OperationId::new(205)).unwrap().is_some());
}

#[test]
fn no_secret_is_in_what_debug_shows() {
    fresh!(root, writer);
    let operation = NewOperation { plan: "hunter2".into(), ..operation("alice", 0) };
    let id = writer.begin_operation(&operation).unwrap();
    let shown = format!("{:?} {operation:?} {:?} {writer:?}", config(1), writer.operation(id).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}
