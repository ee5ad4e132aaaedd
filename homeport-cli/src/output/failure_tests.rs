//! Each kind of error as it is told: made as a value, rendered, compared as a picture.

use std::io;

use homeport_core::entrypoint::{Diagnostic, Level, Retry};
use homeport_core::fault::Fault;
use homeport_core::unit::{Bytes, Seconds};
use homeport_host::engine::{Action, EngineError, ExitCode, ExitFacts, MemoryEnd, Operation};
use homeport_host::image::ImageError;
use homeport_host::oplock::{LockError, ProcessId};
use homeport_host::plan::{Kind, Step};
use homeport_host::routes::RoutesError;
use homeport_host::run::{KeptVolume, StepError};

use super::*;

fn text(failure: impl Into<Failure>) -> String {
    let failure = failure.into();
    let report = Report::of(&failure).render(Format::Text);
    format!("{report}exit {}\n", failure.exit().code())
}

fn evidence() -> Evidence {
    let error = Diagnostic {
        hp: 1,
        ts: "2026-01-02T03:04:05Z".to_owned(),
        phase: "prepare".to_owned(),
        level: Level::Error,
        code: "X-SHELL-001".to_owned(),
        subject: "config.authorized_keys".to_owned(),
        message: "line 2 is no public key".to_owned(),
        expected: "a line as in `id_ed25519.pub`".to_owned(),
        actual: "`hello\nerror: forged`".to_owned(),
        remedy: "correct the line".to_owned(),
        retry: Retry::Config,
    };
    Evidence {
        exit: Some(ExitFacts { code: ExitCode::new(78), memory: MemoryEnd::Enough, at: None, message: String::new() }),
        errors: vec![error],
        log: vec!["preparing".to_owned(), "\u{1b}[2Jgone".to_owned()],
    }
}

fn undone() -> OperationError {
    OperationError::Run(RunError::Undone {
        kind: Kind::Deploy,
        instance: "alice".parse().unwrap(),
        step: Box::new(Step::AwaitReady { within: Seconds::new(30) }),
        cause: Box::new(StepError::Ended { how: "exit code 78 (configuration is not valid)".to_owned() }),
        evidence: Box::new(evidence()),
        kept: vec![KeptVolume { volume: "home".parse().unwrap(), path: "/srv/alice".into() }],
    })
}

#[test]
fn a_refusal_tells_every_fault() {
    let faults = vec![
        Fault::new("HP-CFG-003", "config.shell", "`shell` has a value that it can't take")
            .actual("`fish`")
            .expected("one of `bash`, `zsh`")
            .remedy("set it: `--set shell=VALUE`")
            .clause("MAN-7"),
        Fault::new("HP-CFG-001", "config.key", "`key` is required and has no value"),
    ];
    let error = OperationError::Refused { what: "deploy of `alice`".to_owned(), faults };
    insta::assert_snapshot!(text(error), @r#"
    error: deploy of `alice` was refused: 2 faults
      [HP-CFG-003] config.shell: `shell` has a value that it can't take
          found: `fish`
          wanted: one of `bash`, `zsh`
          help: set it: `--set shell=VALUE`
          spec: MAN-7
      [HP-CFG-001] config.key: `key` is required and has no value
      code: HP-CFG-003
      help: nothing was changed; correct what is named above and repeat the command
    exit 1
    "#);
}

#[test]
fn a_help_that_stands_with_a_fault_is_not_told_twice() {
    let same = "look at its log";
    let faults = ["a", "b"].map(|at| Fault::new("HP-VOL-001", at, "it is odd").remedy(same)).to_vec();
    let error = EngineError::Invalid { action: Action::on(Operation::Create, "homeport-a-1"), faults };
    let told = text(error);
    assert_eq!(told.matches(same).count(), 1);
    insta::assert_snapshot!(told, @r#"
    error: failed to create container `homeport-a-1`
      [HP-VOL-001] a: it is odd
          help: look at its log
      [HP-VOL-001] b: it is odd
      code: HP-ENG-013
    exit 1
    "#);
}

#[test]
fn a_failed_start_tells_what_the_port_itself_said() {
    insta::assert_snapshot!(text(undone()), @r#"
    error: deploy of `alice` failed: could not wait until the port is ready (at most 30 s)
      caused by: the port ended before it was ready: exit code 78 (configuration is not valid)
      the port reported:
      [X-SHELL-001] config.authorized_keys: line 2 is no public key
          found: `hello\nerror: forged`
          wanted: a line as in `id_ed25519.pub`
          help: correct the line
      the port's last words:
          preparing
          \u{1b}[2Jgone
      kept: volume `home` at `/srv/alice`, with what is in it
      code: HP-OPN-004
      help: what the port reported stands above; correct it and repeat the command
    exit 1
    "#);
}

#[test]
fn a_version_that_never_ran_is_told_with_the_way_back_and_everything_once() {
    let OperationError::Run(failed) = undone() else { panic!("not begun") };
    let error = OperationError::NotReady {
        name: "alice".parse().unwrap(),
        version: "1.1.0".parse().unwrap(),
        former: "1.0.0".parse().unwrap(),
        failed: Box::new(failed),
    };
    insta::assert_snapshot!(text(error), @r#"
    error: deploy of `alice` failed: could not wait until the port is ready (at most 30 s)
      caused by: the port ended before it was ready: exit code 78 (configuration is not valid)
      the port reported:
      [X-SHELL-001] config.authorized_keys: line 2 is no public key
          found: `hello\nerror: forged`
          wanted: a line as in `id_ed25519.pub`
          help: correct the line
      the port's last words:
          preparing
          \u{1b}[2Jgone
      kept: volume `home` at `/srv/alice`, with what is in it
      code: HP-OPN-004
      help: what the port reported stands above; correct it and repeat the command; where version 1.1.0 is at fault, `homeport rollback alice` goes back to 1.0.0
    exit 1
    "#);
}

#[test]
fn a_container_that_says_nothing_still_says_how_it_ended() {
    let mut silent = undone();
    if let OperationError::Run(RunError::Undone { evidence, cause, kept, .. }) = &mut silent {
        **evidence = Evidence { exit: evidence.exit.clone(), ..Evidence::default() };
        **cause = StepError::NotReady { within: Seconds::new(30), said: Some("waiting".to_owned()) };
        kept.clear();
    }
    insta::assert_snapshot!(text(silent), @r#"
    error: deploy of `alice` failed: could not wait until the port is ready (at most 30 s)
      caused by: the port was not ready after 30 s; it last said: waiting
      the port ended with exit code 78 (configuration is not valid)
      code: HP-OPN-006
      help: its log stands above; the time is `health.ready_seconds` of the port's manifest
    exit 1
    "#);
}

/// The kernel takes whichever process is largest, now and then the first one too.
#[test]
fn want_of_memory_is_told_once_whatever_the_kernel_took() {
    let starved = |exit: Option<ExitFacts>| {
        let mut error = undone();
        if let OperationError::Run(RunError::Undone { evidence, cause, kept, .. }) = &mut error {
            **evidence = Evidence { exit, ..Evidence::default() };
            let how = "2 of its processes were killed in 4 s".to_owned();
            **cause = StepError::OutOfMemory { limit: Bytes::new(16 << 20), how };
            kept.clear();
        }
        Report::of(&Failure::Operation(error))
    };
    let exit = |memory| ExitFacts { code: ExitCode::KILLED, memory, at: None, message: String::new() };
    let alive = starved(None).render(Format::Text);
    for memory in [MemoryEnd::OutOfMemory, MemoryEnd::Enough] {
        let killed = starved(Some(exit(memory)));
        assert_eq!(killed.render(Format::Text), alive);
        let json: serde_json::Value = serde_json::from_str(&killed.render(Format::Json)).unwrap();
        assert_eq!(
            json["error"]["evidence"]["exit"]["meaning"],
            "exit code 137 (killed; the kernel has killed in it for want of memory)"
        );
    }
    // Another end, or another cause, is told as what it is.
    let ended = ExitFacts { code: ExitCode::new(78), ..exit(MemoryEnd::OutOfMemory) };
    assert!(starved(Some(ended)).render(Format::Text).contains("the port ended with exit code 78"));
    let mut killed = undone();
    if let OperationError::Run(RunError::Undone { evidence, .. }) = &mut killed {
        **evidence = Evidence { exit: Some(exit(MemoryEnd::Enough)), ..Evidence::default() };
    }
    assert!(text(killed).contains("the port ended with exit code 137 (killed from outside)"));
}

#[test]
fn a_way_back_that_failed_tells_what_is_left() {
    let error = OperationError::Run(RunError::Stuck {
        kind: Kind::Deploy,
        instance: "alice".parse().unwrap(),
        step: Box::new(Step::CreateContainer),
        cause: Box::new(StepError::Engine(EngineError::Refused {
            action: Action::on(Operation::Create, "homeport-alice-1f3c5a7b"),
            status: 500,
            message: "no\nspace".to_owned(),
        })),
        left: vec!["reserve `*:22` for `ssh`: the daemon does not run".to_owned()],
        evidence: Box::default(),
    });
    insta::assert_snapshot!(text(error), @r#"
    error: deploy of `alice` failed: could not create the container; taking it back failed too
      caused by: failed to create container `homeport-alice-1f3c5a7b`: the engine refused (500): no\nspace
      not taken back: reserve `*:22` for `ssh`: the daemon does not run
      code: HP-OPN-010
      help: mend what is named above; the next command for `alice` tries again to take it back, and refuses until that works
    exit 4
    "#);
}

#[test]
fn a_former_configuration_that_does_not_come_back_tells_both_reasons() {
    let error = OperationError::NotRestored {
        name: "alice".parse().unwrap(),
        failed: Box::new(undone()),
        source: Box::new(OperationError::Engine(EngineError::NotRunning {
            socket: "/var/run/docker.sock".into(),
            source: io::Error::from(io::ErrorKind::ConnectionRefused),
        })),
    };
    insta::assert_snapshot!(text(error), @r#"
    error: deploy of `alice` failed: could not wait until the port is ready (at most 30 s); and `alice` could not be started as it was before
      caused by: the port ended before it was ready: exit code 78 (configuration is not valid)
      caused by: no container engine listens on `/var/run/docker.sock`
      caused by: connection refused
      the port reported:
      [X-SHELL-001] config.authorized_keys: line 2 is no public key
          found: `hello\nerror: forged`
          wanted: a line as in `id_ed25519.pub`
          help: correct the line
      the port's last words:
          preparing
          \u{1b}[2Jgone
      kept: volume `home` at `/srv/alice`, with what is in it
      code: HP-OPN-025
      help: mend what is named, then `homeport start alice`; its data and former configuration are there
    exit 4
    "#);
}

#[test]
fn what_is_not_finished_says_that_the_next_command_finishes_it() {
    let error = OperationError::Run(RunError::Unfinished {
        kind: Kind::Remove,
        instance: "alice".parse().unwrap(),
        step: Box::new(Step::RemoveRunDir),
        cause: Box::new(StepError::Io { action: "remove the directory", source: io::Error::other("it is\tbusy") }),
    });
    insta::assert_snapshot!(text(error), @r#"
    error: remove of `alice` is not finished: could not remove the container's configuration
      caused by: failed to remove the directory
      caused by: it is\tbusy
      code: HP-OPN-003
      help: the next command finishes it
    exit 3
    "#);
}

#[test]
fn errors_around_the_operation() {
    let busy = LockError::Busy {
        pid: ProcessId::new(4711),
        command: "deploy web".to_owned(),
        since: "2026-01-02T03:04:05.000Z".parse().unwrap(),
    };
    let talk = RoutesError::Talk { socket: "/run/homeport/daemon.sock".into(), source: io::ErrorKind::TimedOut.into() };
    let refused = RoutesError::Refused {
        code: "HP-RTR-003",
        message: "`*:22` is in use by `sshd` (process 1)".to_owned(),
        help: Some("choose another port".to_owned()),
    };
    let told: Vec<String> = vec![
        text(OperationError::NotRoot { uid: 1000 }),
        text(OperationError::Lock(busy)),
        text(OperationError::NoInstance { name: "bob".parse().unwrap(), known: vec!["alice".to_owned()] }),
        text(OperationError::NotRunning { name: "bob".parse().unwrap() }),
        text(OperationError::Stuck { name: "bob".parse().unwrap(), reason: "a mount stays".to_owned() }),
        text(OperationError::Image(ImageError::PortMissing { port: "shell".to_owned() })),
        text(OperationError::Image(ImageError::Engine {
            image: "shell".to_owned(),
            source: EngineError::SocketMissing { socket: "/s".into() },
        })),
        text(OperationError::Routes(talk)),
        text(OperationError::Routes(refused)),
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    error: homeport needs to run as root: found user id 1000
      code: HP-OPN-020
      help: repeat it with `sudo`
    exit 1

    error: another operation goes on: `deploy web`, process 4711, since 2026-01-02T03:04:05.000Z
      code: HP-OPL-001
      help: Wait until it ends, or see what process 4711 does, and run it again.
    exit 3

    error: there is no instance `bob`: found `alice`
      code: HP-OPN-022
      help: `homeport list` lists them; `homeport deploy` makes one
    exit 1

    error: instance `bob` does not run
      code: HP-OPN-024
      help: start it: `homeport start bob`
    exit 1

    error: nothing can be done to `bob` yet: a mount stays
      code: HP-OPN-023
      help: mend what is named, and repeat the command: it tries again
    exit 4

    error: the engine holds no image of port `shell`
      code: HP-IMG-001
      help: build it (`cargo xtask build-port ports/shell`) or load it (`docker load`), then deploy again
    exit 1

    error: failed to look at image `shell`
      caused by: the container engine's socket `/s` does not exist
      code: HP-ENG-001
      help: install Docker and start it, or say where its socket is
    exit 3

    error: failed to talk to the daemon on `/run/homeport/daemon.sock`
      caused by: timed out
      code: HP-DMN-004
      help: look at it with `homeport daemon status`; `homeport daemon stop` ends it
    exit 3

    error: `*:22` is in use by `sshd` (process 1)
      code: HP-RTR-003
      help: choose another port
    exit 1
    "#);
}

#[test]
fn errors_of_the_command_line_itself() {
    let told = [
        text(Failure::Usage {
            message: "`--volume home=...` is given twice".to_owned(),
            help: "leave one of them out",
        }),
        text(Failure::Value {
            key: "password".to_owned(),
            from: "`/x`".to_owned(),
            source: io::ErrorKind::NotFound.into(),
        }),
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    error: `--volume home=...` is given twice
      code: HP-CLI-001
      help: leave one of them out
    exit 2

    error: failed to read the value of `password` from `/x`
      caused by: entity not found
      code: HP-CLI-002
      help: name a file that can be read, or `-` for standard input
    exit 1
    "#);
}

#[test]
fn as_json_an_error_holds_the_same_facts() {
    let report = Report::of(&Failure::Operation(undone())).render(Format::Json);
    assert!(report.ends_with("}\n") && report.lines().count() == 1, "one object, one line");
    let value: serde_json::Value = serde_json::from_str(&report).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap(), @r#"
    {
      "error": {
        "causes": [
          "the port ended before it was ready: exit code 78 (configuration is not valid)"
        ],
        "code": "HP-OPN-004",
        "evidence": {
          "errors": [
            {
              "actual": "`hello\nerror: forged`",
              "code": "X-SHELL-001",
              "expected": "a line as in `id_ed25519.pub`",
              "hp": 1,
              "level": "error",
              "message": "line 2 is no public key",
              "phase": "prepare",
              "remedy": "correct the line",
              "retry": "config",
              "subject": "config.authorized_keys",
              "ts": "2026-01-02T03:04:05Z"
            }
          ],
          "exit": {
            "code": 78,
            "meaning": "exit code 78 (configuration is not valid)"
          },
          "log": [
            "preparing",
            "\u001b[2Jgone"
          ]
        },
        "exit_code": 1,
        "help": "what the port reported stands above; correct it and repeat the command",
        "kept": [
          {
            "path": "/srv/alice",
            "volume": "home"
          }
        ],
        "message": "deploy of `alice` failed: could not wait until the port is ready (at most 30 s)"
      }
    }
    "#);
    let usage = Report::of_usage("unrecognized subcommand 'deply'").render(Format::Json);
    insta::assert_snapshot!(usage, @r#"{"error":{"code":"HP-CLI-001","message":"unrecognized subcommand 'deply'","help":"`homeport help` lists what there is","exit_code":2}}"#);
}
