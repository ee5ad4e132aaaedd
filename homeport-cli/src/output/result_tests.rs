//! Each result as text and as JSON, of outcomes that are made as values.

use std::collections::BTreeMap;

use homeport_core::config::Value;
use homeport_core::digest::Digest;
use homeport_core::entrypoint::{Condition, ServiceState, ServiceStatus, Status};
use homeport_core::fault::Fault;
use homeport_core::manifest;
use homeport_core::unit::Seconds;
use homeport_host::daemon::{DaemonStatus, Draining, Restarted};
use homeport_host::image::PortImage;
use homeport_host::ledger::ScheduleState;
use homeport_host::operation::{
    AddressState, ConfigView, DeployPlan, FormerView, InstanceView, LifecycleOutcome, Reconfigured, Removed,
    RetiringView, RouteView, Running, ScheduleView, UnfinishedView, ValueOrigin, VolumeView,
};
use homeport_host::plan::{Kind, Plan, Step};
use homeport_host::routes::{RouteRules, RouteStatus, Unbound, Wish};

use super::*;

/// Both forms, one after the other.
fn both(result: &impl Render) -> String {
    render(Format::Text, result).unwrap() + &render(Format::Json, result).unwrap()
}

fn public() -> PublicName {
    PublicName::Address("198.51.100.7".parse().unwrap())
}

fn container() -> String {
    "0123456789abcdef".repeat(4)
}

fn status() -> Status {
    let fact = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let service = ServiceStatus {
        state: ServiceState::Running,
        pid: Some(13),
        restarts: 2,
        last_exit: Some("signal 9".to_owned()),
    };
    Status {
        hp: 1,
        port: "shell".parse().unwrap(),
        version: "1.0.0".to_owned(),
        instance: "alice".parse().unwrap(),
        condition: Condition::Degraded,
        text: "sshd was\nstarted again".to_owned(),
        since: "2026-01-02T03:04:05Z".to_owned(),
        facts: [
            ("ssh_user", "alice"),
            ("host_key_fingerprint", "SHA256:abc"),
            ("host_key", "ssh-ed25519 AAAA"),
            ("users", "1"),
        ]
        .map(fact)
        .into(),
        services: BTreeMap::from([("sshd".parse().unwrap(), service)]),
    }
}

fn running() -> Running {
    Running {
        instance: "alice".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        container: Some(container().parse().unwrap()),
        routes: BTreeMap::from([("ssh".parse().unwrap(), ("*:2222".parse().unwrap(), "ssh".to_owned()))]),
        status: Some(status()),
        notices: vec![Fault::new("HP-VOL-017", "volumes.home", "no program in volume `home` can be run")],
    }
}

fn view() -> InstanceView {
    InstanceView {
        name: "alice".parse().unwrap(),
        port: "shell".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        image: Digest::new([0xab; 32]),
        desired: "running".to_owned(),
        state: "degraded: sshd".to_owned(),
        container: Some(container().parse().unwrap()),
        created: "2026-01-02T03:04:05.000Z".parse().unwrap(),
        routes: BTreeMap::from([("ssh".parse().unwrap(), "127.0.0.1:2222".parse().unwrap())]),
        addresses: BTreeMap::from([("ssh".parse().unwrap(), AddressState::Open)]),
        why_closed: BTreeMap::new(),
        protocols: BTreeMap::from([("ssh".parse().unwrap(), "ssh".to_owned())]),
        volumes: vec![VolumeView {
            name: "home".parse().unwrap(),
            path: "/srv/alice".into(),
            uuid: "8f26b100-39e8-47c6-a6ee-cb9a58b63eb1".to_owned(),
            format: 1,
        }],
        schedule: None,
        former: None,
        retiring: Vec::new(),
        unfinished: None,
        status: Some(status()),
    }
}

/// One that it cannot have.
fn unbound() -> Unbound {
    let id = serde_json::json!({"instance": "bob", "endpoint": "web"});
    let why = "`*:80` cannot be listened on: `nc` (process 7) holds it";
    serde_json::from_value(serde_json::json!({"id": id, "address": "*:80", "why": why})).unwrap()
}

/// A route as the daemon tells it on its control socket.
fn route_status() -> RouteStatus {
    serde_json::from_value(serde_json::json!({
        "id": { "instance": "alice", "endpoint": "ssh" },
        "address": "*:2222",
        "state": {
            "kind": "running",
            "generation": 1,
            "target": { "container": container(), "address": "172.17.0.2:22" },
        },
        "open": 1, "live": [], "limit": 10, "accepted": 3, "refused": 0, "failed": 1,
        "bytes_from_clients": 5, "bytes_to_clients": 7, "last_error": "no answer",
    }))
    .unwrap()
}

#[test]
fn an_instance_that_was_deployed() {
    insta::assert_snapshot!(both(&RunningReport::new(Outcome::Created, running(), &public())), @r#"
    `alice` (shell 1.0.0) is deployed and answers
      ssh: ssh -p 2222 alice@198.51.100.7
          host key: SHA256:abc
          known_hosts: [198.51.100.7]:2222 ssh-ed25519 AAAA
    {
      "outcome": "created",
      "instance": "alice",
      "port": "shell",
      "version": "1.0.0",
      "container": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "connections": [
        {
          "endpoint": "ssh",
          "protocol": "ssh",
          "address": "*:2222",
          "open": "ssh -p 2222 alice@198.51.100.7",
          "fingerprints": [
            "SHA256:abc"
          ],
          "known_hosts": [
            "[198.51.100.7]:2222 ssh-ed25519 AAAA"
          ]
        }
      ],
      "status": {
        "hp": 1,
        "port": "shell",
        "version": "1.0.0",
        "instance": "alice",
        "condition": "degraded",
        "text": "sshd was\nstarted again",
        "since": "2026-01-02T03:04:05Z",
        "facts": {
          "host_key": "ssh-ed25519 AAAA",
          "host_key_fingerprint": "SHA256:abc",
          "ssh_user": "alice",
          "users": "1"
        },
        "services": {
          "sshd": {
            "state": "running",
            "pid": 13,
            "restarts": 2,
            "last_exit": "signal 9"
          }
        }
      },
      "notices": [
        {
          "code": "HP-VOL-017",
          "subject": "volumes.home",
          "message": "no program in volume `home` can be run",
          "expected": "",
          "actual": "",
          "remedy": "",
          "clause": null
        }
      ]
    }
    "#);
}

#[test]
fn an_instance_that_runs_already_and_has_no_address() {
    let quiet = Running { routes: BTreeMap::new(), status: None, container: None, notices: Vec::new(), ..running() };
    insta::assert_snapshot!(both(&RunningReport::new(Outcome::Unchanged, quiet, &public())), @r#"
    `alice` (shell 1.0.0) runs already; nothing was changed
      it has no public address
    {
      "outcome": "unchanged",
      "instance": "alice",
      "port": "shell",
      "version": "1.0.0",
      "container": null,
      "connections": [],
      "status": null,
      "notices": []
    }
    "#);
}

#[test]
fn an_instance_that_was_stopped() {
    let report = |outcome| StoppedReport { instance: "alice".parse().unwrap(), outcome };
    let told = [LifecycleOutcome::Changed, LifecycleOutcome::Unchanged].map(|outcome| both(&report(outcome)));
    insta::assert_snapshot!(told.concat(), @r#"
    `alice` is stopped; its public addresses stay reserved
    {
      "instance": "alice",
      "outcome": "changed"
    }
    `alice` is stopped already; nothing was changed
    {
      "instance": "alice",
      "outcome": "unchanged"
    }
    "#);
}

#[test]
fn an_instance_whose_snapshots_fail_says_so() {
    let schedule = ScheduleView {
        instance: "alice".parse().unwrap(),
        every_seconds: Seconds::new(86_400),
        keep: None,
        state: ScheduleState::Enabled,
        next: "2026-01-03T03:04:05.000Z".parse().unwrap(),
        last: Some(("2026-01-02T03:04:05.000Z".parse().unwrap(), "failed: there is no store".to_owned())),
        missed: 2,
        rehearsal: None,
    };
    let instance = InstanceView { schedule: Some(schedule), ..view() };
    let text = render(Format::Text, &StatusReport::one(instance, &public())).unwrap();
    assert!(text.contains("  snapshots: failed: there is no store (2026-01-02T03:04:05.000Z)\n"), "{text}");
    assert!(text.contains("  snapshots missed: 2\n"), "{text}");
    assert!(!render(Format::Text, &StatusReport::one(view(), &public())).unwrap().contains("snapshots"));
}

#[test]
fn an_instance_whose_version_was_changed_says_what_it_had_and_what_still_runs() {
    let until = |text: &str| text.parse().unwrap();
    let instance = InstanceView {
        former: Some(FormerView { version: "0.9.0".parse().unwrap(), until: until("2026-01-02T03:04:05.000Z") }),
        retiring: vec![RetiringView { version: "0.9.0".parse().unwrap(), until: until("2026-01-03T03:04:05.000Z") }],
        ..view()
    };
    let told = both(&StatusReport::one(instance, &public()));
    let had =
        "  had version 0.9.0 before, and left it at 2026-01-02 03:04:05 UTC; to go back: homeport rollback alice\n";
    assert!(told.contains(had), "{told}");
    let retires =
        "  still serves clients that were connected before: version 0.9.0, until 2026-01-03 03:04:05 UTC at the";
    assert!(told.contains(retires), "{told}");
    assert!(told.contains("\"former\": {") && told.contains("\"retiring\": ["), "{told}");
    let without = both(&StatusReport::one(view(), &public()));
    assert!(!without.contains("former") && !without.contains("retiring"), "{without}");
}

#[test]
fn an_instance_that_is_stuck_says_why_and_what_tries_again() {
    let unfinished = |stuck: Option<&str>| InstanceView {
        state: "stuck: `upgrade` could be neither ended nor taken back".to_owned(),
        unfinished: Some(UnfinishedView { kind: "upgrade".to_owned(), stuck: stuck.map(str::to_owned) }),
        ..view()
    };
    let stuck = || unfinished(Some("the port ended; not taken back: no room"));
    let told = both(&StatusReport::one(stuck(), &public()));
    let why = "\n  state: stuck: `upgrade` could be neither ended nor taken back\n    \
               why: the port ended; not taken back: no room\n    mend what is named, then: homeport repair\n";
    assert!(told.contains(why), "{told}");
    assert!(told.contains("\"stuck\": \"the port ended; not taken back: no room\""), "{told}");
    let told = both(&StatusReport::one(unfinished(None), &public()));
    assert!(told.contains("this brings it to its end: homeport repair\n") && !told.contains("why:"), "{told}");
    let list = |instances| render(Format::Text, &ListReport { instances }).unwrap();
    let told = list(vec![view(), stuck()]);
    assert!(
        told.ends_with("\n`homeport status NAME` says why something is stuck; `homeport repair` tries again\n"),
        "{told}"
    );
    assert!(!list(vec![view(), unfinished(None)]).contains("repair"));
}

#[test]
fn an_instance_whose_address_is_closed_says_so_and_what_opens_it() {
    let view = |desired: &str, address| InstanceView {
        desired: desired.to_owned(),
        state: "ready, but `ssh` is closed".to_owned(),
        addresses: BTreeMap::from([("ssh".parse().unwrap(), address)]),
        why_closed: BTreeMap::from([("ssh".parse().unwrap(), "process 7 (`nc`) holds it".to_owned())]),
        ..view()
    };
    let told = both(&StatusReport::one(view("running", AddressState::Closed), &public()));
    let opens = "    `ssh` is closed: process 7 (`nc`) holds it
      a daemon that runs tries again every 5 s; where none runs: homeport start alice\n";
    assert!(told.contains(opens) && told.contains("\"ssh\": \"closed\""), "{told}");
    let list = |view| render(Format::Text, &ListReport { instances: vec![view] }).unwrap();
    let told = list(view("running", AddressState::Closed));
    assert!(
        told.ends_with("`homeport start NAME` opens an address again that is closed, or says why that cannot be\n"),
        "{told}"
    );
    for quiet in [view("stopped", AddressState::Closed), view("running", AddressState::Open)] {
        assert!(!list(quiet).contains("homeport start"));
    }
}

#[test]
fn a_list_of_instances() {
    let stopped = InstanceView {
        name: "a-much-longer-name".parse().unwrap(),
        state: "stopped".to_owned(),
        routes: BTreeMap::new(),
        addresses: BTreeMap::new(),
        ..view()
    };
    let text = render(Format::Text, &ListReport { instances: vec![view(), stopped] }).unwrap();
    insta::assert_snapshot!(text, @r#"
    NAME                PORT   VERSION  STATE           ADDRESSES
    alice               shell  1.0.0    degraded: sshd  ssh=127.0.0.1:2222
    a-much-longer-name  shell  1.0.0    stopped         -
    "#);
}

#[test]
fn the_status_of_one_instance() {
    insta::assert_snapshot!(both(&StatusReport::one(view(), &public())), @r#"
    `alice` (shell 1.0.0)
      state: degraded: sshd
      deployed: 2026-01-02T03:04:05.000Z
      image: sha256:abababababababababababababababababababababababababababababababab
      container: 0123456789ab
      ssh: ssh -p 2222 alice@127.0.0.1
          host key: SHA256:abc
          known_hosts: [127.0.0.1]:2222 ssh-ed25519 AAAA
      volume `home`: `/srv/alice` (format 1, 8f26b100-39e8-47c6-a6ee-cb9a58b63eb1)
      the port says: sshd was\nstarted again
      users: 1
      service `sshd`: running, pid 13, 2 restarts, last ended with signal 9
    {
      "instance": {
        "name": "alice",
        "port": "shell",
        "version": "1.0.0",
        "image": "sha256:abababababababababababababababababababababababababababababababab",
        "desired": "running",
        "state": "degraded: sshd",
        "container": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "created": "2026-01-02T03:04:05.000Z",
        "routes": {
          "ssh": "127.0.0.1:2222"
        },
        "addresses": {
          "ssh": "open"
        },
        "protocols": {
          "ssh": "ssh"
        },
        "volumes": [
          {
            "name": "home",
            "path": "/srv/alice",
            "uuid": "8f26b100-39e8-47c6-a6ee-cb9a58b63eb1",
            "format": 1
          }
        ],
        "status": {
          "hp": 1,
          "port": "shell",
          "version": "1.0.0",
          "instance": "alice",
          "condition": "degraded",
          "text": "sshd was\nstarted again",
          "since": "2026-01-02T03:04:05Z",
          "facts": {
            "host_key": "ssh-ed25519 AAAA",
            "host_key_fingerprint": "SHA256:abc",
            "ssh_user": "alice",
            "users": "1"
          },
          "services": {
            "sshd": {
              "state": "running",
              "pid": 13,
              "restarts": 2,
              "last_exit": "signal 9"
            }
          }
        }
      },
      "connections": [
        {
          "endpoint": "ssh",
          "protocol": "ssh",
          "address": "127.0.0.1:2222",
          "open": "ssh -p 2222 alice@127.0.0.1",
          "fingerprints": [
            "SHA256:abc"
          ],
          "known_hosts": [
            "[127.0.0.1]:2222 ssh-ed25519 AAAA"
          ]
        }
      ]
    }
    "#);
}

fn daemon_status() -> DaemonStatus {
    DaemonStatus {
        pid: 4711,
        version: "0.1.0".to_owned(),
        ledger: 2,
        since: "2026-01-02T03:04:05.000Z".parse().unwrap(),
        routes: vec![route_status()],
        unbound: vec![],
        draining: vec![],
    }
}

#[test]
fn an_address_that_the_daemon_cannot_have_is_told_of_it_and_of_its_restart() {
    let status = DaemonStatus { unbound: vec![unbound()], ..daemon_status() };
    let told = "`bob/web` is not open at *:80: `*:80` cannot be listened on: `nc` (process 7) holds it; \
                it is tried again every 5 s\n";
    for restarted in [Restarted::Started(Box::new(status.clone())), Restarted::TakenOver(Box::new(status.clone()))] {
        let report = DaemonRestarted::of(&restarted);
        assert!(render(Format::Text, &report).unwrap().ends_with(told) && !report.has_all());
        let json: serde_json::Value = serde_json::from_str(&render(Format::Json, &report).unwrap()).unwrap();
        assert_eq!(json["unbound"][0]["address"], "*:80");
    }
    assert!(render(Format::Text, &DaemonReport::new(Some(status))).unwrap().contains(told));
    let of_stopped = Unbound { wish: Wish::Reserved, ..unbound() };
    let status = DaemonStatus { unbound: vec![of_stopped], ..daemon_status() };
    let restarted = Restarted::TakenOver(Box::new(status));
    let report = DaemonRestarted::of(&restarted);
    let told = "`bob/web` is stopped, and nothing keeps its address at *:80: ";
    assert!(render(Format::Text, &report).unwrap().contains(told) && report.has_all());
}

#[test]
fn the_daemon() {
    let status = DaemonStatus {
        draining: vec![Draining {
            pid: 42,
            version: "0.1.0".to_owned(),
            since: "2026-01-02T03:04:04.000Z".parse().unwrap(),
            until: "2026-01-03T03:04:04.000Z".parse().unwrap(),
            routes: vec![],
        }],
        ..daemon_status()
    };
    let told = both(&DaemonReport::new(Some(status))) + &both(&DaemonStopped::Stopped);
    insta::assert_snapshot!(told, @r#"
    the daemon runs as process 4711 since 2026-01-02T03:04:05.000Z (version 0.1.0)
    process 42 carries on 0 connections from before 2026-01-02T03:04:04.000Z, until 2026-01-03T03:04:04.000Z at most
    ROUTE      ADDRESS  STATE                   OPEN  ACCEPTED  REFUSED  FAILED
    alice/ssh  *:2222   leads to 172.17.0.2:22  1     3         0        1
    alice/ssh: last error: no answer
    {
      "running": true,
      "pid": 4711,
      "version": "0.1.0",
      "ledger": 2,
      "since": "2026-01-02T03:04:05.000Z",
      "routes": [
        {
          "id": {
            "instance": "alice",
            "endpoint": "ssh"
          },
          "address": "*:2222",
          "state": {
            "kind": "running",
            "generation": 1,
            "target": {
              "container": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
              "address": "172.17.0.2:22"
            }
          },
          "open": 1,
          "waiting": 0,
          "live": [],
          "limit": 10,
          "accepted": 3,
          "refused": 0,
          "refused_because": {
            "closed": 0,
            "full": 0,
            "source_full": 0,
            "too_fast": 0,
            "not_allowed": 0
          },
          "failed": 1,
          "idle": 0,
          "bytes_from_clients": 5,
          "bytes_to_clients": 7,
          "last_error": "no answer"
        }
      ],
      "unbound": [],
      "draining": [
        {
          "pid": 42,
          "version": "0.1.0",
          "since": "2026-01-02T03:04:04.000Z",
          "until": "2026-01-03T03:04:04.000Z",
          "routes": []
        }
      ]
    }
    the daemon has ended, and the public addresses are closed
    {
      "outcome": "stopped"
    }
    "#);
}

#[test]
fn the_routes() {
    let route = |live: Option<RouteStatus>| RouteView {
        instance: "alice".parse().unwrap(),
        endpoint: "ssh".parse().unwrap(),
        address: "*:2222".parse().unwrap(),
        rules: RouteRules::default(),
        why_closed: live.is_none().then(|| "process 7 (`nc`) holds it".to_owned()),
        live,
    };
    let report = RoutesReport { routes: vec![route(Some(route_status())), route(None)] };
    insta::assert_snapshot!(render(Format::Text, &report).unwrap(), @r#"
    INSTANCE  ENDPOINT  ADDRESS  STATE                   OPEN
    alice     ssh       *:2222   leads to 172.17.0.2:22  1
    alice     ssh       *:2222   not held by the daemon  -
    `alice/ssh` is not held by the daemon: process 7 (`nc`) holds it
    "#);
    let report = RoutesReport { routes: vec![route(None)] };
    insta::assert_snapshot!(render(Format::Json, &report).unwrap(), @r#"
    {
      "routes": [
        {
          "instance": "alice",
          "endpoint": "ssh",
          "address": "*:2222",
          "rules": {},
          "live": null,
          "why_closed": "process 7 (`nc`) holds it"
        }
      ]
    }
    "#);
}

#[test]
fn a_deploy_that_is_only_planned() {
    let plan = Plan {
        kind: Kind::Deploy,
        instance: "alice".parse().unwrap(),
        steps: vec![Step::Record, Step::AwaitReady { within: Seconds::new(30) }],
    };
    let routes = vec![("ssh".parse().unwrap(), "*:random".to_owned())];
    let told = both(&DeployPlanReport::new(Some(DeployPlan { plan, routes }))) + &both(&DeployPlanReport::new(None));
    insta::assert_snapshot!(told, @r#"
    a deploy of `alice` would
       1. write the instance to the ledger
       2. wait until the port is ready (at most 30 s)
    and its public addresses would be
      ssh: *:random
    nothing was changed
    {
      "outcome": "planned",
      "plan": {
        "instance": "alice",
        "steps": [
          {
            "step": "record",
            "text": "write the instance to the ledger"
          },
          {
            "step": "await_ready",
            "within": 30,
            "text": "wait until the port is ready (at most 30 s)"
          }
        ]
      },
      "routes": [
        {
          "endpoint": "ssh",
          "address": "*:random"
        }
      ]
    }
    the instance is there already; a deploy would confirm it, and start it where it is stopped
    {
      "outcome": "exists"
    }
    "#);
}

#[test]
fn a_removal_says_what_stays_and_where() {
    let removed = || Removed {
        instance: "alice".parse().unwrap(),
        kept: vec![("home".parse().unwrap(), "/srv/alice".into())],
        plan: Plan { kind: Kind::Remove, instance: "alice".parse().unwrap(), steps: vec![Step::Forget] },
    };
    let told = both(&RemovedReport::new(Removal::Removed, removed()))
        + &render(Format::Text, &RemovedReport::new(Removal::Planned, removed())).unwrap();
    insta::assert_snapshot!(told, @r#"
    `alice` is removed
      kept: volume `home` at `/srv/alice`
    a deploy under the name `alice` takes them up again
    {
      "outcome": "removed",
      "instance": "alice",
      "kept": [
        {
          "volume": "home",
          "path": "/srv/alice"
        }
      ],
      "plan": {
        "instance": "alice",
        "steps": [
          {
            "step": "forget",
            "text": "take the instance out of the ledger"
          }
        ]
      }
    }
    a removal of `alice` would
       1. take the instance out of the ledger
      kept: volume `home` at `/srv/alice`
    nothing was changed
    "#);
}

#[test]
fn configuration_shows_values_and_no_secret() {
    let key = |key: &str, value, origin, secret, summary: &str| ConfigView {
        key: key.parse().unwrap(),
        value,
        origin,
        secret,
        summary: summary.to_owned(),
    };
    let list = Value::List(vec!["ssh-ed25519 AAAA".to_owned(), "b\u{1b}[2J".to_owned()]);
    let config = vec![
        key("authorized_keys", Some(list), ValueOrigin::Given, false, "Who may log in"),
        key("motd", None, ValueOrigin::None, false, ""),
        key("password", None, ValueOrigin::Given, true, "A hash"),
        key("shell", Some(Value::Text("bash".to_owned())), ValueOrigin::Default, false, ""),
        key("token", None, ValueOrigin::None, true, ""),
    ];
    insta::assert_snapshot!(both(&ConfigReport { instance: "alice".parse().unwrap(), config }), @r#"
    authorized_keys:
        ssh-ed25519 AAAA
        b\u{1b}[2J
        # Who may log in
    motd: not set
    password: hidden, it is secret
        # A hash
    shell: bash  (default)
    token: not set
    {
      "instance": "alice",
      "config": [
        {
          "key": "authorized_keys",
          "value": [
            "ssh-ed25519 AAAA",
            "b\u001b[2J"
          ],
          "origin": "given",
          "secret": false,
          "summary": "Who may log in"
        },
        {
          "key": "motd",
          "value": null,
          "origin": "none",
          "secret": false,
          "summary": ""
        },
        {
          "key": "password",
          "value": null,
          "origin": "given",
          "secret": true,
          "summary": "A hash"
        },
        {
          "key": "shell",
          "value": "bash",
          "origin": "default",
          "secret": false,
          "summary": ""
        },
        {
          "key": "token",
          "value": null,
          "origin": "none",
          "secret": true,
          "summary": ""
        }
      ]
    }
    "#);
}

#[test]
fn changed_configuration_says_whether_the_instance_was_restarted() {
    let report = |changed: &[&str], restarted| ReconfiguredReport {
        instance: "alice".parse().unwrap(),
        done: Reconfigured {
            changed: changed.iter().map(|key| key.parse().unwrap()).collect(),
            restarted,
            notices: Vec::new(),
        },
    };
    let told = both(&report(&["motd", "shell"], true)) + &both(&report(&["shell"], false)) + &both(&report(&[], false));
    insta::assert_snapshot!(told, @r#"
    `alice` runs in a new container with other values for `motd`, `shell`
    {
      "instance": "alice",
      "changed": [
        "motd",
        "shell"
      ],
      "restarted": true,
      "notices": []
    }
    `alice` has other values for `shell` from its next start on
    {
      "instance": "alice",
      "changed": [
        "shell"
      ],
      "restarted": false,
      "notices": []
    }
    `alice` has these values already; nothing was changed
    {
      "instance": "alice",
      "changed": [],
      "restarted": false,
      "notices": []
    }
    "#);
}

#[test]
fn a_port_says_what_it_is_and_can_be_told() {
    let bytes = br#"{
        "protocol": "1.0",
        "port": { "id": "hello", "version": "1.0.0", "title": "Says hello", "license": "MIT" },
        "config": { "name": { "type": "string", "required": true, "secret": true, "summary": "Whom to greet" } },
        "volumes": { "home": { "path": "/home/user", "format": 1, "uid": 1000, "gid": 1000, "mode": "0700" } },
        "endpoints": { "web": { "port": 8080, "protocol": "http", "exposure": "lan", "default_public": "random" } }
    }"#;
    let image = PortImage {
        id: Digest::new([0xab; 32]),
        reference: "homeport/hello:1.0.0".to_owned(),
        manifest: manifest::parse(bytes).unwrap(),
        bytes: bytes.to_vec(),
    };
    insta::assert_snapshot!(both(&PortReport(image)), @r#"
    `hello` 1.0.0: Says hello
      license: MIT
      image: homeport/hello:1.0.0 (sha256:abababababababababababababababababababababababababababababababab)
      protocol: 1.0
    configuration (`--set KEY=VALUE`, secrets with `--set-file KEY=PATH`)
      name: one line of at most 4096 characters; required; secret
          Whom to greet
    endpoints (`--route ENDPOINT=ADDRESS`)
      web: http on tcp 8080; a free public port
    volumes (`--volume NAME=PATH`)
      home: `/home/user`, format 1, owner 1000:1000, mode 0700
    limits and privileges
      memory: 268435456 bytes, processes: 256, open files: 4096
      capabilities: KILL, SETGID, SETUID
      ready within 60 s, stopped within 10 s
    {
      "image": "sha256:abababababababababababababababababababababababababababababababab",
      "reference": "homeport/hello:1.0.0",
      "manifest": {
        "config": {
          "name": {
            "required": true,
            "secret": true,
            "summary": "Whom to greet",
            "type": "string"
          }
        },
        "endpoints": {
          "web": {
            "default_public": "random",
            "exposure": "lan",
            "port": 8080,
            "protocol": "http"
          }
        },
        "port": {
          "id": "hello",
          "license": "MIT",
          "title": "Says hello",
          "version": "1.0.0"
        },
        "protocol": "1.0",
        "volumes": {
          "home": {
            "format": 1,
            "gid": 1000,
            "mode": "0700",
            "path": "/home/user",
            "uid": 1000
          }
        }
      }
    }
    "#);
}
