//! What children get from init, and what becomes of those that nobody waits for.

use std::fs;
use std::os::fd::AsRawFd as _;

use rustix::process::Signal;
use serde_json::json;

use crate::world::{Place, World, children, sh, text_of, wait_for};

#[test]
fn a_thousand_orphans_leave_no_zombie() {
    for place in [Place::First, Place::Child] {
        let script = "i=0; while [ $i -lt 1000 ]; do ( sleep 0.01 & ) ; i=$((i+1)); done; echo done > /tmp/done; exec sleep 1000";
        let world = World::new(&json!({"main": sh(script)})).place(place);
        let mut running = world.run();
        text_of(&world.path("tmp/done"));
        let init = running.pid().as_raw_nonzero().get().unsigned_abs();
        wait_for("only the service is left", || {
            let left = children(init);
            let zombies = left.iter().filter(|pid| is_zombie(**pid)).count();
            (left.len() == 1 && zombies == 0).then_some(())
        });
        assert_eq!(running.status().unwrap()["services"]["main"]["restarts"], 0, "no orphan was taken for the service");
        running.signal(Signal::TERM);
        assert_eq!(running.end().0, 0);
    }
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

#[test]
fn a_service_has_a_clean_birth() {
    let script = "cp /proc/self/status /tmp/status.new; env > /tmp/env; (exec ls -l /proc/self/fd) > /tmp/fds; \
                  readlink /proc/$$/fd/0 > /tmp/stdin; pwd > /tmp/cwd; echo x > /tmp/all; exec sleep 1000";
    let mut service = sh(script);
    service["uid"] = json!(4321);
    service["gid"] = json!(8765);
    service["groups"] = json!([99]);
    service["cwd"] = json!("/tmp");
    service["env"] = json!({"EXTRA": "one two", "HOME": "/tmp"});
    let world = World::new(&json!({"main": service}));
    fs::set_permissions(world.path("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    fs::write(world.path("run/secrets/token"), "canary").unwrap();
    // A descriptor and a mask that init inherits must not reach the service.
    let leak = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    assert!(leak.as_raw_fd() > 2);
    let _running = world.run();
    text_of(&world.path("tmp/all"));
    let status = text_of(&world.path("tmp/status.new"));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap();
        line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("SigBlk"), "0000000000000000");
    assert_eq!(field("SigIgn"), "0000000000000000");
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Uid"), "4321 4321 4321 4321");
    assert_eq!(field("Gid"), "8765 8765 8765 8765");
    assert_eq!(field("Groups"), "99");
    assert_eq!(field("CapEff"), "0000000000000000");
    // What `ls` opens to list is 3, and what the shell keeps for itself closes when `ls` starts.
    let fds = text_of(&world.path("tmp/fds"));
    let mut open: Vec<&str> = fds.lines().filter_map(|line| line.rsplit_once(" -> ")?.0.rsplit(' ').next()).collect();
    open.sort_unstable();
    assert_eq!(open, ["0", "1", "2", "3"], "{fds}");
    assert_eq!(fds.matches("/dev/null").count(), 1, "standard input, and not what was leaked: {fds}");
    assert_eq!(text_of(&world.path("tmp/stdin")), "/dev/null\n");
    assert_eq!(text_of(&world.path("tmp/cwd")), "/tmp\n");
    let env = text_of(&world.path("tmp/env"));
    let mut names: Vec<&str> = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["EXTRA", "GREETING", "HOME", "LANG", "PATH", "TZ"]);
    assert!(env.contains("GREETING=hello\n") && env.contains("EXTRA=one two\n") && env.contains("HOME=/tmp\n"));
    assert!(!env.contains("canary"));
}
