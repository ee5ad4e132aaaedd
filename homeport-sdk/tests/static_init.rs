//! Holds the static generic init against its two bounds: what it weighs in an image and in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

/// The most bytes of a static init's file, and of the memory that an idle one has mapped.
const LIMIT: u64 = 1_500_000;

/// Builds the program as images get it.
fn build(package: &str, program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static-init");
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let triple = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "init", "--package", package, "--bin", program, "--target", &triple])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static\u{1f}-Crelocation-model=static")
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(built.success());
    target.join(triple).join("init").join(program)
}

#[test]
fn static_inits_are_small_in_their_images() {
    for (package, program) in [("homeport-sdk", "homeport-init"), ("homeport-port-shell", "shell-init")] {
        let size = fs::metadata(build(package, program)).unwrap().len();
        assert!(size <= LIMIT, "`{program}` has {size} bytes: wanted at most {LIMIT}");
    }
}

/// A namespace's first process; all that is in it dies with it.
struct Namespace(Child);

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_idle_init_is_small_in_memory() {
    let program = build("homeport-sdk", "homeport-init");
    let dir = tempfile::tempdir().unwrap();
    for name in ["root", "port", "run", "data"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let write = |name: &str, document: serde_json::Value| {
        fs::write(dir.path().join(name), serde_json::to_vec(&document).unwrap()).unwrap();
    };
    // By another process: while a descriptor of ours could write to it, another test's child could have it too, and the
    // kernel would not execute the program.
    let copied = Command::new("cp").arg(program).arg(dir.path().join("port/init")).status().unwrap();
    assert!(copied.success(), "{copied}");
    let service = json!({"command": ["/port/sleep", "1000"], "uid": 1000, "gid": 1000});
    write("port/services.json", json!({"services": {"main": service}}));
    let manifest = json!({"protocol": "1.0", "port": {"id": "test", "version": "1.0.0", "title": "T"},
        "volumes": {"data": {"path": "/data", "format": 1, "uid": 0, "gid": 0, "mode": "0755"}},
        "services": {"main": {"uid": 1000}}});
    write("port/manifest.json", manifest);
    write("run/config.json", json!({}));
    let data = fs::metadata(dir.path().join("data")).unwrap();
    let volume =
        json!({"path": "/data", "uuid": "u", "format": 1, "device": data.dev(), "inode": data.ino(), "new": true});
    write("run/volumes.json", json!({"data": volume}));
    let script = r#"
        set -e
        mount --make-rprivate /; R="$W/root"; mount -t tmpfs tmpfs "$R"
        for d in bin lib lib64 usr; do
            if [ -L "/$d" ]; then cp -a "/$d" "$R/$d"; elif [ -d "/$d" ]; then mkdir "$R/$d"; mount --rbind "/$d" "$R/$d"; fi
        done
        mkdir -p "$R/dev" "$R/proc" "$R/run/port" "$R/port" "$R/data"
        touch "$R/dev/null"; mount --bind /dev/null "$R/dev/null"
        cp /bin/sleep "$W/port/sleep"
        mount --bind "$W/run" "$R/run/port"; mount --bind "$W/port" "$R/port"; mount --bind "$W/data" "$R/data"
        mount -t proc proc "$R/proc"
        exec chroot "$R" /port/init run"#;
    let child = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", script])
        .env("W", dir.path())
        .env("HOMEPORT_PROTOCOL", "1.0")
        .env("HOMEPORT_INSTANCE", "test")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let namespace = Namespace(child);
    let start = Instant::now();
    let ready = || fs::read_to_string(dir.path().join("run/status.json")).is_ok_and(|s| s.contains("\"ready\""));
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(20), "init is not ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Beyond ready: what an init does from time to time belongs to it as well.
    std::thread::sleep(Duration::from_millis(500));
    let unshare = namespace.0.id();
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
    let init = children.split_ascii_whitespace().next().unwrap();
    let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    let Some(rss) = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")) else {
        panic!("no VmRSS in {status}");
    };
    let rss = rss.parse::<u64>().unwrap() * 1024;
    assert!(rss <= LIMIT, "an idle init has {rss} bytes in memory: wanted at most {LIMIT}");
}
