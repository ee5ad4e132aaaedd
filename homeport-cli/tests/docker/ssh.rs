//! The shell port as its user meets it: the real OpenSSH client, with strict checking of the host key throughout.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::fixture::shell;
use super::ssh_client::{Client, key, key_file};
use super::world::{World, tool};

/// A world with a shell in it, and a client that may log in.
fn deployed(world: &World) -> Client {
    let key = key(world.dir(), "key");
    world.ok(&["deploy", shell(), "--name", "sh", "--set-file", &key_file(&key), "--route", "ssh=127.0.0.1:random"]);
    Client::of(world, "sh", &key)
}

#[test]
fn a_deploy_tells_how_to_connect_and_which_host_key_to_expect() {
    let world = World::new();
    let key = key(world.dir(), "key");
    let said = world.ok(&[
        "deploy",
        shell(),
        "--name",
        "sh",
        "--set-file",
        &key_file(&key),
        "--route",
        "ssh=127.0.0.1:random",
    ]);
    let (host, port) = {
        let address = world.address("sh", "ssh");
        let (h, p) = address.rsplit_once(':').unwrap();
        (h.to_owned(), p.to_owned())
    };
    assert!(said.contains(&format!("ssh -p {port} user@{host}")), "{said}");
    let scanned = tool("ssh-keyscan", &["-t", "ed25519", "-p", &port, &host]);
    let file = world.dir().join("scanned");
    fs::write(&file, scanned).unwrap();
    let fingerprint = tool("ssh-keygen", &["-l", "-f", file.to_str().unwrap()]);
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    assert!(fingerprint.starts_with("SHA256:") && said.contains(fingerprint), "{said}\nwanted {fingerprint}");
}

#[test]
fn bash_then_zsh_and_the_home_directory_stays() {
    let world = World::new();
    let client = deployed(&world);
    assert_eq!(client.ok("echo $SHELL; whoami; pwd").lines().collect::<Vec<_>>(), ["/bin/bash", "user", "/home/user"]);
    client.ok("echo kept > ~/file");
    let before = world.container("sh");
    world.ok(&["config", "sh", "set", "shell=zsh"]);
    assert_ne!(world.container("sh"), before, "the container was replaced");
    assert_eq!(
        client.ok("echo $SHELL; echo $ZSH_VERSION | cut -c1; cat ~/file").lines().collect::<Vec<_>>(),
        ["/bin/zsh", "5", "kept"]
    );
    // An interactive login with a terminal of its own asks nothing and greets.
    let mut command = Command::new("ssh");
    command
        .args(client.options())
        .args(["-tt", client.target()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut session = command.spawn().unwrap();
    session.stdin.take().unwrap().write_all(b"tty; exit 7\n").unwrap();
    let output = session.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&output.stdout).contains("/dev/pts/"));
}

#[test]
fn other_keys_and_passwords_are_refused_and_a_removed_key_too() {
    let world = World::new();
    let client = deployed(&world);
    let other = key(world.dir(), "other");
    let refused = client.with_key(&other).run("true");
    assert_eq!(refused.status.code(), Some(255));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied (publickey)"));
    let mut password = Command::new("ssh");
    password.args(client.options()).args([
        "-o",
        "PreferredAuthentications=password,keyboard-interactive",
        client.target(),
        "true",
    ]);
    let refused = password.stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied (publickey)"), "{refused:?}");
    world.ok(&["config", "sh", "set", "--file", &key_file(&other)]);
    assert_eq!(client.run("true").status.code(), Some(255), "a key that was taken out of the configuration is refused");
    client.with_key(&other).ok("true");
}

#[test]
fn a_hundred_logins_in_a_row_succeed() {
    let world = World::new();
    let client = deployed(&world);
    for n in 0..100 {
        assert_eq!(client.ok(&format!("echo {n}")).trim(), n.to_string());
    }
}

#[test]
fn sftp_scp_and_rsync_carry_a_thousand_files() {
    let world = World::new();
    let client = deployed(&world);
    let tree = world.dir().join("tree");
    make_tree(&tree);
    let local = sums(|script| {
        String::from_utf8(Command::new("sh").args(["-c", script]).current_dir(&tree).output().unwrap().stdout).unwrap()
    });
    assert_eq!(local.lines().count(), 1000);
    let tree = tree.to_str().unwrap();
    let options = client.options();
    let with = |program: &str, more: &[&str]| {
        let mut args: Vec<&str> = options.iter().map(String::as_str).collect();
        args.extend(more);
        tool(program, &args)
    };
    with("scp", &["-r", "-q", tree, &format!("{}:by-scp", client.target())]);
    let batch = world.dir().join("batch");
    fs::write(&batch, format!("mkdir by-sftp\nput -r {tree}/. by-sftp\n")).unwrap();
    with("sftp", &["-q", "-b", batch.to_str().unwrap(), client.target()]);
    let shell = format!("ssh {}", options.join(" "));
    tool("rsync", &["-a", "-e", &shell, &format!("{tree}/"), &format!("{}:by-rsync/", client.target())]);
    for way in ["by-scp", "by-sftp", "by-rsync"] {
        assert_eq!(sums(|script| client.ok(&format!("cd {way} && {script}"))), local, "{way}");
    }
    let back = world.dir().join("back");
    tool("rsync", &["-a", "-e", &shell, &format!("{}:by-sftp/", client.target()), back.to_str().unwrap()]);
    let returned = sums(|script| {
        String::from_utf8(Command::new("sh").args(["-c", script]).current_dir(&back).output().unwrap().stdout).unwrap()
    });
    assert_eq!(returned, local, "and back again");
}

/// A thousand files of different sizes in different depths, some of them empty, some with odd names.
fn make_tree(root: &Path) {
    for n in 0..1000_usize {
        let dir = root.join(format!("d{}", n % 7)).join(format!("e {}", n % 13));
        fs::create_dir_all(&dir).unwrap();
        let content: Vec<u8> = (0..n * 17 % 9000).map(|i| u8::try_from((i * 31 + n) % 251).unwrap()).collect();
        fs::write(dir.join(format!("file-{n}-ä")), content).unwrap();
    }
}

fn sums(run: impl Fn(&str) -> String) -> String {
    run("find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum")
}

#[test]
fn when_sshd_dies_open_sessions_live_and_a_new_login_works_within_two_seconds() {
    let world = World::new();
    let client = deployed(&world);
    let mut session = client
        .ssh("while read line; do echo \"got $line\"; done")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (session.stdin.take().unwrap(), BufReader::new(session.stdout.take().unwrap()));
    let mut ask = |text: &str| {
        writeln!(input, "{text}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(ask("one"), "got one\n");
    let listener = world.ok(&["exec", "sh", "--", "pgrep", "-o", "-x", "sshd"]);
    world.ok(&["exec", "sh", "--", "kill", "-9", listener.trim()]);
    let died = Instant::now();
    while !client.run("true").status.success() {
        assert!(died.elapsed() < Duration::from_secs(2), "no new login within two seconds");
    }
    println!("new login after {:.2} s", died.elapsed().as_secs_f32());
    assert!(died.elapsed() < Duration::from_secs(2), "a new login took {:?}", died.elapsed());
    assert_eq!(ask("two"), "got two\n", "the open session lives");
    assert_ne!(world.ok(&["exec", "sh", "--", "pgrep", "-o", "-x", "sshd"]), "", "sshd was started again");
    drop(input);
    assert!(session.wait().unwrap().success());
}

#[test]
fn no_host_key_warning_after_restart_stop_and_start_and_remove_and_deploy() {
    let world = World::new();
    let client = deployed(&world);
    let (address, key) = (world.address("sh", "ssh"), world.dir().join("key"));
    client.ok("echo kept > ~/file");
    world.ok(&["restart", "sh"]);
    assert_eq!(world.address("sh", "ssh"), address, "the random port is kept by a restart");
    assert_eq!(client.ok("cat file"), "kept\n");
    world.ok(&["stop", "sh"]);
    assert_eq!(client.run("true").status.code(), Some(255), "a stopped shell takes no login");
    world.ok(&["start", "sh"]);
    assert_eq!(world.address("sh", "ssh"), address, "the random port is kept by stop and start");
    assert_eq!(client.ok("cat file"), "kept\n");
    world.ok(&["daemon", "stop"]);
    world.ok(&["restart", "sh"]);
    assert_eq!(world.address("sh", "ssh"), address, "the random port is kept by another daemon");
    assert_eq!(client.ok("cat file"), "kept\n");
    let said = world.ok(&["remove", "sh"]);
    assert!(said.contains("home") && said.contains("hostkeys"), "{said}");
    // A known host is known by address and port, so the port is asked for again.
    let route = format!("ssh={address}");
    world.ok(&["deploy", shell(), "--name", "sh", "--set-file", &key_file(&key), "--route", &route]);
    assert_eq!(client.ok("cat file"), "kept\n");
}

#[test]
fn a_daemon_that_was_killed_gives_the_address_back_to_the_next() {
    let world = World::new();
    let client = deployed(&world);
    let address = world.address("sh", "ssh");
    let pid = world.json(&["daemon", "status"])["pid"].as_u64().unwrap();
    tool("kill", &["-9", &pid.to_string()]);
    // Any operation that needs it starts it again; the container was not touched.
    let before = world.container("sh");
    world.ok(&["deploy", shell(), "--name", "sh"]);
    assert_eq!((world.address("sh", "ssh"), world.container("sh")), (address, before));
    client.ok("true");
}
