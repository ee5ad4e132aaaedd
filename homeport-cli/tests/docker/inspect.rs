//! What the engine says of the running shell: everything that was promised, and nothing more.

use serde_json::Value;

use super::fixture::shell;
use super::ssh_client::{key, key_file};
use super::world::{World, docker};

#[test]
fn the_running_shell_has_the_least_that_it_needs() {
    let world = World::new();
    let key = key(world.dir(), "key");
    let hash = world.dir().join("password");
    std::fs::write(
        &hash,
        "$6$canary$QvNnQw5tq1Zq4yW5uTQ1m9xv6fJtq5cZ8cQf0mF4yqk1G4m0a8D5j0b0G2t0u6b7c8d9e0f1g2h3i4j5k6l7m8",
    )
    .unwrap();
    world.ok(&[
        "deploy",
        shell(),
        "--name",
        "sh",
        "--set-file",
        &key_file(&key),
        "--set-file",
        &format!("password={}", hash.display()),
        "--route",
        "ssh=127.0.0.1:random",
    ]);
    let text = docker(&["inspect", &world.container("sh")]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let (host, config) = (&all[0]["HostConfig"], &all[0]["Config"]);
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    let mut added: Vec<&str> =
        host["CapAdd"].as_array().unwrap().iter().map(|cap| cap.as_str().unwrap().trim_start_matches("CAP_")).collect();
    added.sort_unstable();
    assert_eq!(added, ["AUDIT_WRITE", "CHOWN", "KILL", "SETGID", "SETUID", "SYS_CHROOT"]);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["PublishAllPorts"], false);
    assert!(
        host["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty),
        "nothing is published: the router does"
    );
    let options: Vec<&str> =
        host["SecurityOpt"].as_array().unwrap().iter().map(|option| option.as_str().unwrap()).collect();
    assert!(options.iter().any(|option| option.starts_with("no-new-privileges")), "{options:?}");
    assert!(!options.iter().any(|option| option.contains("unconfined")), "{options:?}");
    assert!(host["Memory"].as_u64().unwrap() > 0);
    assert_eq!(host["MemorySwap"], host["Memory"], "no swap beyond the memory limit");
    assert!(host["PidsLimit"].as_u64().unwrap() > 0);
    let log = &host["LogConfig"]["Config"];
    assert!(log["max-size"].is_string() && log["max-file"].is_string(), "the log has a size limit: {log}");
    assert!(
        matches!(host["RestartPolicy"]["Name"].as_str(), Some("" | "no") | None),
        "only HomePort starts containers"
    );
    for space in ["NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode"] {
        assert_ne!(host[space], "host", "{space}");
    }
    assert!(host["Devices"].as_array().is_none_or(Vec::is_empty));
    let mounts = all[0]["Mounts"].as_array().unwrap();
    let root = world.root().display().to_string();
    for mount in mounts {
        let source = mount["Source"].as_str().unwrap_or_default();
        assert!(!source.contains("docker.sock"), "{mount}");
        assert!(
            mount["Type"] != "bind" || source.starts_with(&format!("{root}/run/")),
            "only HomePort's own mounts are given: {mount}"
        );
    }
    assert!(!text.contains("$6$canary"), "a secret is in what the engine tells");
    let environment = config["Env"].to_string();
    assert!(!environment.contains("ssh-ed25519"), "configuration is not in the environment: {environment}");
    // Neither is a secret in what HomePort itself shows, nor in the log.
    for shown in [
        world.ok(&["config", "sh", "show"]),
        world.ok(&["--json", "config", "sh", "show"]),
        world.ok(&["--json", "status", "sh"]),
        world.ok(&["logs", "sh"]),
    ] {
        assert!(!shown.contains("$6$canary"), "{shown}");
    }
    the_inside_is_closed(&world);
}

/// The user has no capability, and host keys, secrets and init's environment are out of reach.
fn the_inside_is_closed(world: &World) {
    let status = world.ok(&["exec", "sh", "--user", "1000:1000", "--", "cat", "/proc/self/status"]);
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("NoNewPrivs:\t1"), "{status}");
    let inside = |what: &str| world.run(&["exec", "sh", "--user", "1000:1000", "--", "cat", what]);
    assert_eq!(inside("/run/port/config.json").code, 0, "what is no secret can be read");
    let hosts_key = world.ok(&["exec", "sh", "--", "ls", "/var/lib/hostkeys"]);
    let private = hosts_key.lines().find(|name| std::path::Path::new(name).extension().is_none()).expect("a host key");
    for hidden in [&format!("/var/lib/hostkeys/{private}"), "/run/port/secrets/password", "/proc/1/environ"] {
        let read = inside(hidden);
        assert_ne!(read.code, 0, "{hidden}: {read:?}");
        assert!(read.err.contains("Permission denied"), "{hidden}: {read:?}");
    }
}
