//! Owns a network of a test's own, in which nothing is but what the test puts there. Needs root, `setpriv`, `unshare` and `ip`.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What its making may take; far more than it needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A network namespace, for as long as a process of its own lives in it.
pub(crate) struct Namespace(Child);

impl Namespace {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]).stdin(Stdio::null());
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let namespace = Self(command.spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while std::fs::read_link(namespace.path()).map_or(true, |link| link == own) {
            assert!(Instant::now() < end, "`unshare` makes no network");
            std::thread::sleep(Duration::from_millis(5));
        }
        namespace.does("ip link set lo up");
        namespace
    }

    /// The process by which others name it.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    /// Has this thread in it from then on.
    pub(crate) fn enter(&self) {
        let file = File::open(self.path()).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Runs a script in it, and returns what it said.
    pub(crate) fn does(&self, script: &str) -> String {
        let output = Command::new("nsenter")
            .args([&format!("--net={}", self.path()), "sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "`{script}`: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does this in the network, on a thread of its own.
    pub(crate) fn on_thread<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter_and_work = || {
            self.enter();
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter_and_work).join().unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.0.kill().unwrap_or(());
        self.0.wait().ok();
    }
}
