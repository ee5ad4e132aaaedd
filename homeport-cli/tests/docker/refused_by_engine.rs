//! Deploys that fail because of the engine itself, each with its exact message.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::fixture::shell;
use super::refused_config::{mask, refuse};
use super::world::World;

#[test]
fn no_engine_is_installed() {
    let world = World::new();
    let socket = world.dir().join("no.sock");
    insta::assert_snapshot!(refuse(&world, 3, &["--engine", socket.to_str().unwrap(), "deploy", shell()]));
}

#[test]
fn the_engine_does_not_run() {
    let world = World::new();
    let socket = world.dir().join("dead.sock");
    // What a killed engine leaves: the socket's file, and nobody who listens.
    drop(UnixListener::bind(&socket).unwrap());
    insta::assert_snapshot!(refuse(&world, 3, &["--engine", socket.to_str().unwrap(), "deploy", shell()]));
}

#[test]
fn there_is_no_permission_on_the_engines_socket() {
    let world = World::new();
    let socket = world.dir().join("closed.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    chown(&socket, Some(65534), Some(65534)).unwrap();
    // Root without the capability to pass over permissions, as in a container.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search"]);
    command.arg(env!("CARGO_BIN_EXE_homeport")).arg("--root").arg(world.root());
    command.args(["--engine", socket.to_str().unwrap(), "deploy", shell()]);
    let did = World::finish(&mut command);
    assert_eq!((did.code, did.out.as_str()), (3, ""), "{}", did.err);
    assert_eq!(world.traces(), Vec::<String>::new());
    insta::assert_snapshot!(mask(&world, &did.err));
}

#[test]
fn homeport_is_not_run_as_root() {
    let world = World::new();
    // The program stands where another user can run it. Another process copies it: while a descriptor of ours could
    // write to it, another test's child could have it too, and the kernel would not execute the program.
    let program = std::path::PathBuf::from(format!("{}-homeport", world.dir().display()));
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_homeport")).arg(&program).status().unwrap();
    assert!(copied.success(), "{copied}");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(&program).arg("--root").arg(world.root()).args(["deploy", shell()]);
    let did = World::finish(&mut command);
    std::fs::remove_file(&program).unwrap();
    assert_eq!((did.code, did.out.as_str()), (1, ""), "{}", did.err);
    insta::assert_snapshot!(mask(&world, &did.err));
}
