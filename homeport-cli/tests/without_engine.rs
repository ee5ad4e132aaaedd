//! The command from outside where no engine runs: what works without one, what says that it needs one, and how results,
//! talk and exit codes are kept apart.

#![expect(clippy::unwrap_used, reason = "what a test itself needs is there, or the test fails")]

use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

/// The command with a root of its own, an engine's socket that is not there, and nothing of the tester's settings.
fn homeport(root: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homeport"));
    command.args(arguments).current_dir(root.path()).stdin(Stdio::null());
    for name in ["HOMEPORT_ROOT", "HOMEPORT_ENGINE", "DOCKER_HOST"] {
        command.env_remove(name);
    }
    command.env("HOMEPORT_ROOT", root.path().join("r")).env("HOMEPORT_ENGINE", root.path().join("no.sock"));
    command
}

/// What was printed where, and the exit code, in one picture. The root is shown as `ROOT`.
fn picture(root: &TempDir, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&root.path().display().to_string(), "ROOT");
    format!(
        "{}[stderr]\n{}[exit {}]",
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().map_or("by signal".to_owned(), |code| code.to_string())
    )
}

fn run(root: &TempDir, arguments: &[&str]) -> String {
    picture(root, &homeport(root, arguments).output().unwrap())
}

/// A directory with the root `r` in it, in which there is nothing yet.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("r")).unwrap();
    root
}

/// Whether nothing was made, in the root or beside it.
fn is_empty(root: &TempDir) -> bool {
    let names = |path: &Path| std::fs::read_dir(path).unwrap().map(|one| one.unwrap().file_name()).collect::<Vec<_>>();
    names(root.path()) == ["r"] && names(&root.path().join("r")).is_empty()
}

#[test]
fn a_root_that_is_not_there_is_a_typo_and_is_not_made() {
    let root = root();
    for words in [
        &["list"][..],
        &["status"],
        &["status", "alice"],
        &["logs", "alice"],
        &["exec", "alice", "--", "true"],
        &["config", "alice"],
        &["config", "alice", "set", "a=b"],
        &["start", "alice"],
        &["stop", "alice"],
        &["restart", "alice"],
        &["remove", "alice"],
        &["purge", "alice", "--dry-run"],
        &["route", "list"],
        &["daemon", "status"],
        &["daemon", "stop"],
        &["schedule", "list"],
        &["snapshot", "create", "alice"],
        &["snapshot", "list"],
        &["snapshot", "show", "alice"],
        &["snapshot", "verify"],
        &["snapshot", "restore", "alice"],
        &["volume", "list"],
        &["volume", "check"],
        &["trash", "list"],
        &["trash", "empty"],
    ] {
        let words = [&["--root", "typo"], words].concat();
        let told = run(&root, &words);
        assert!(told.starts_with("[stderr]\nerror: there is no HomePort at `ROOT/typo`"), "{words:?}: {told}");
        assert!(told.ends_with("[exit 1]"), "{words:?}: {told}");
        assert!(is_empty(&root), "{words:?} made something");
    }
    insta::assert_snapshot!(run(&root, &["--root", "typo", "list"]), @r#"
    [stderr]
    error: there is no HomePort at `ROOT/typo`: there is no such directory
      code: HP-LAY-007
      help: Look for a typo after `--root`, or in `HOMEPORT_ROOT`; `homeport --root 'ROOT/typo' deploy PORT` makes one there.
    [exit 1]
    "#);
    // What does not use it does not mind.
    assert!(run(&root, &["--root", "typo", "completions", "bash"]).ends_with("[exit 0]"));
    assert!(is_empty(&root));
}

#[test]
fn what_only_reads_leaves_nothing_in_an_empty_root() {
    let root = root();
    for words in [
        &["snapshot", "list"][..],
        &["snapshot", "verify"],
        &["schedule", "list"],
        &["volume", "list"],
        &["volume", "check"],
        &["trash", "list"],
    ] {
        let told = run(&root, words);
        assert!(told.ends_with("[stderr]\n[exit 0]"), "{words:?}: {told}");
        assert!(is_empty(&root), "{words:?} made something");
    }
}

#[test]
fn looking_needs_no_engine_where_there_is_nothing_and_leaves_nothing() {
    let root = root();
    let told: Vec<String> = [
        &["list"][..],
        &["list", "--json"],
        &["status"],
        &["status", "--json"],
        &["route", "list"],
        &["route", "list", "--json"],
        &["daemon", "status"],
        &["--json", "daemon", "status"],
        &["daemon", "stop"],
    ]
    .iter()
    .map(|words| format!("$ homeport {}\n{}\n", words.join(" "), run(&root, words)))
    .collect();
    assert!(is_empty(&root), "something was made");
    insta::assert_snapshot!(told.join("\n"), @r#"
    $ homeport list
    there are no instances; `homeport deploy PORT` makes one
    [stderr]
    [exit 0]

    $ homeport list --json
    {
      "instances": []
    }
    [stderr]
    [exit 0]

    $ homeport status
    the daemon does not run; `homeport deploy` and `homeport start` start it

    there are no instances; `homeport deploy PORT` makes one
    [stderr]
    [exit 0]

    $ homeport status --json
    {
      "daemon": {
        "running": false
      },
      "instances": []
    }
    [stderr]
    [exit 0]

    $ homeport route list
    there are no public addresses
    [stderr]
    [exit 0]

    $ homeport route list --json
    {
      "routes": []
    }
    [stderr]
    [exit 0]

    $ homeport daemon status
    the daemon does not run; `homeport deploy` and `homeport start` start it
    [stderr]
    [exit 0]

    $ homeport --json daemon status
    {
      "running": false
    }
    [stderr]
    [exit 0]

    $ homeport daemon stop
    the daemon did not run
    [stderr]
    [exit 0]
    "#);
}

#[test]
fn what_needs_the_engine_says_so_and_leaves_nothing() {
    let root = root();
    for words in [
        &["deploy", "shell"][..],
        &["deploy", "shell", "--dry-run"],
        &["start", "alice"],
        &["stop", "alice"],
        &["restart", "alice"],
        &["config", "alice", "set", "a=b"],
        &["upgrade", "alice"],
        &["upgrade", "alice", "--to", "1.1", "--dry-run"],
        &["rollback", "alice"],
        &["repair"],
        &["remove", "alice"],
        &["port", "info", "shell"],
    ] {
        let told = run(&root, words);
        assert!(told.contains("container engine's socket `ROOT/no.sock` does not exist"), "{words:?}: {told}");
        assert!(told.starts_with("[stderr]\nerror: ") && told.ends_with("[exit 3]"), "{words:?}: {told}");
    }
    assert!(is_empty(&root), "something was made");
    insta::assert_snapshot!(run(&root, &["deploy", "shell"]), @r#"
    [stderr]
    error: the container engine's socket `ROOT/no.sock` does not exist
      code: HP-ENG-001
      help: install Docker and start it, or say where its socket is
    [exit 3]
    "#);
    insta::assert_snapshot!(run(&root, &["deploy", "shell", "--json"]), @r#"
    [stderr]
    {"error":{"code":"HP-ENG-001","message":"the container engine's socket `ROOT/no.sock` does not exist","help":"install Docker and start it, or say where its socket is","exit_code":3}}
    [exit 3]
    "#);
}

#[test]
fn an_instance_that_is_not_there_is_the_requests_fault() {
    let root = root();
    for words in [
        &["status", "bob"][..],
        &["logs", "bob"],
        &["exec", "bob", "--", "true"],
        &["config", "bob"],
        &["history", "bob"],
        &["history", "bob", "-n", "5"],
        &["remove", "bob", "--dry-run"],
    ] {
        let told = run(&root, words);
        assert!(told.contains("error: there is no instance `bob`") && told.ends_with("[exit 1]"), "{words:?}: {told}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let root = root();
    insta::assert_snapshot!(run(&root, &["deply", "--json"]), @r#"
    [stderr]
    {"error":{"code":"HP-CLI-001","message":"unrecognized subcommand 'deply'","help":"`homeport help` lists what there is","exit_code":2}}
    [exit 2]
    "#);
    insta::assert_snapshot!(
        run(&root, &["deploy", "shell", "--volume", "home=/a", "--volume", "home=/b"]), @r#"
    [stderr]
    error: `--volume home=...` is given twice
      code: HP-CLI-001
      help: leave one of them out
    [exit 2]
    "#);
    insta::assert_snapshot!(run(&root, &["exec", "alice", "-t", "--", "bash"]), @r#"
    [stderr]
    error: `--tty` needs a terminal: standard input or output is none
      code: HP-CLI-001
      help: leave `--tty` out; `--interactive` passes standard input on
    [exit 2]
    "#);
    insta::assert_snapshot!(
        run(&root, &["deploy", "shell", "--set-file", "a=-", "--set-file", "b=-"]), @r#"
    [stderr]
    error: more than one value is to be read from standard input
      code: HP-CLI-001
      help: name a file for all but one of them
    [exit 2]
    "#);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let root = root();
    let told = run(&root, &["upgrade", "alice", "--dry-run", "--set-file", "key=/no/such"]);
    assert!(told.contains("error: failed to read the value of `key` from `/no/such`"), "{told}");
    assert!(told.ends_with("[exit 1]"), "{told}");
    insta::assert_snapshot!(run(&root, &["deploy", "shell", "--set-file", "key=/no/such"]), @r#"
    [stderr]
    error: failed to read the value of `key` from `/no/such`
      caused by: No such file or directory (os error 2)
      code: HP-CLI-002
      help: name a file that can be read, or `-` for standard input
    [exit 1]
    "#);
}

#[test]
fn a_relative_root_is_seen_from_the_working_directory() {
    let root = root();
    std::fs::create_dir_all(root.path().join("here/state")).unwrap();
    std::fs::write(root.path().join("here/state/ledger.sqlite"), "no database at all\n".repeat(100)).unwrap();
    let told = run(&root, &["--root", "here", "list"]);
    assert!(told.contains("error: ledger `ROOT/here/state/ledger.sqlite` is damaged"), "{told}");
    assert!(told.ends_with("[exit 3]"), "{told}");
}

#[test]
fn a_root_that_cannot_be_one_is_refused() {
    let root = root();
    let long = format!("/{}", "r".repeat(200));
    let told = run(&root, &["--root", &long, "list"]).replace(&long, "/rrr");
    insta::assert_snapshot!(told, @r#"
    [stderr]
    error: root `/rrr` is too long: its sockets would have names of 268 bytes, wanted at most 107
      code: HP-LAY-002
      help: Give a root of at most 40 bytes, for example `--root /srv/homeport`.
    [exit 1]
    "#);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let root = root();
    for words in [&["list"][..], &["--help"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = homeport(&root, words).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(picture(&root, &output), "[stderr]\n[exit 0]", "{words:?}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let root = root();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = homeport(&root, &["list"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    insta::assert_snapshot!(picture(&root, &output), @r#"
    [stderr]
    error: failed to write to standard output
      caused by: No space left on device (os error 28)
      code: HP-CLI-005
      help: what was asked for is done; only its report is lost
    [exit 3]
    "#);
}

#[test]
fn an_engine_of_another_machine_is_not_passed_over_silently() {
    let root = root();
    let mut command = homeport(&root, &["list", "--quiet"]);
    let output = command.env_remove("HOMEPORT_ENGINE").env("DOCKER_HOST", "tcp://192.0.2.1:2375").output().unwrap();
    insta::assert_snapshot!(picture(&root, &output), @r#"
    there are no instances; `homeport deploy PORT` makes one
    [stderr]
    warning: `DOCKER_HOST` is `tcp://192.0.2.1:2375`, which is no socket of this machine: `/var/run/docker.sock` is used; `--engine SOCKET` names another
    [exit 0]
    "#);
    let mut command = homeport(&root, &["port", "info", "shell"]);
    let socket = format!("unix://{}/other.sock", root.path().display());
    let output = command.env_remove("HOMEPORT_ENGINE").env("DOCKER_HOST", socket).output().unwrap();
    assert!(picture(&root, &output).contains("socket `ROOT/other.sock` does not exist"));
}

#[test]
fn version_completions_and_manual_pages_come_from_the_same_definitions() {
    let root = root();
    assert_eq!(run(&root, &["--version"]), format!("homeport {}\n[stderr]\n[exit 0]", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&root, &["completions", shell]);
        assert!(script.contains("deploy") && script.ends_with("[stderr]\n[exit 0]"), "{shell}");
    }
    let told = run(&root, &["man", "pages"]);
    assert!(told.ends_with("[stderr]\n[exit 0]"), "{told}");
    for page in ["homeport.1", "homeport-deploy.1", "homeport-upgrade.1", "homeport-route-list.1"] {
        let text = std::fs::read_to_string(root.path().join("pages").join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains("\\-\\-json"), "{page}");
        assert!(told.contains(&Path::new("pages").join(page).display().to_string()), "{page}");
    }
}

/// A command that waits for an engine that takes its connection and never answers.
fn waiting(root: &TempDir, before: &str, arguments: &str) -> (Child, (UnixListener, UnixStream)) {
    let socket = root.path().join("no.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    let line = format!("{before} {} {arguments}", env!("CARGO_BIN_EXE_homeport"));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("HOMEPORT_ROOT", root.path().join("r")).env("HOMEPORT_ENGINE", &socket).env_remove("DOCKER_HOST");
    let child = command.spawn().unwrap();
    let (connection, _) = engine.accept().unwrap();
    (child, (engine, connection))
}

/// Begins a command that minds signals, whatever whoever runs the tests has them do: a shell's background jobs ignore SIGINT.
const HEARS: &str = "exec env --default-signal=INT,TERM";

fn send(child: &Child, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_signal_that_ends_a_command_is_answered_with_what_becomes_of_it() {
    for (arguments, signal, told) in [
        (
            "restart alice",
            Signal::INT,
            "stopped by SIGINT: unless it was done already, what was begun is taken back by",
        ),
        ("stop alice", Signal::TERM, "stopped by SIGTERM: unless it was done already, what was begun is finished by"),
    ] {
        let root = root();
        let (child, _engine) = waiting(&root, HEARS, arguments);
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.starts_with(&format!("warning: {told} ")) && err.ends_with('\n'), "{err}");
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "it ends as by the signal alone");
        assert_eq!(output.stdout, b"");
    }
    // Whoever started it wants it to go on.
    let root = root();
    let (child, _engine) = waiting(&root, "trap '' INT; exec", "--json restart alice");
    send(&child, Signal::INT);
    send(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(Signal::TERM.as_raw()));
    assert!(err.starts_with("{\"warning\":\"stopped by SIGTERM: ") && err.lines().count() == 1, "{err}");
    // What changes nothing has nothing to say.
    let root = self::root();
    let (child, _engine) = waiting(&root, HEARS, "port info shell");
    send(&child, Signal::INT);
    assert_eq!(child.wait_with_output().unwrap().stderr, b"");
}
