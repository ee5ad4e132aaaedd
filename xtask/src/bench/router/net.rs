//! Owns the network of the benchmark: three namespaces in a row, clients, proxies and a server, and the programs that run
//! in them. All of it goes when it is dropped; what an earlier run left that was killed goes first.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{run, say};

/// How names of namespaces begin; the process that made them follows.
const PREFIX: &str = "hpb-";
/// Where the proxies listen.
pub(super) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 1, 1));
/// Where the server does.
pub(super) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 2, 2));

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Clients,
    Proxies,
    Server,
}

impl Space {
    const ALL: [Self; 3] = [Self::Clients, Self::Proxies, Self::Server];

    fn name(self) -> String {
        let part = match self {
            Self::Clients => "clients",
            Self::Proxies => "proxies",
            Self::Server => "server",
        };
        format!("{PREFIX}{}-{part}", std::process::id())
    }
}

/// The network.
#[derive(Debug)]
pub(super) struct Net(());

impl Drop for Net {
    fn drop(&mut self) {
        for space in Space::ALL {
            let name = space.name();
            if Path::new("/run/netns").join(&name).exists()
                && let Err(error) = run::take(Command::new("ip").args(["netns", "delete", &name]))
            {
                say::warning(format_args!("the network namespace `{name}` cannot be removed: {error:#}"));
            }
        }
    }
}

impl Net {
    /// Makes it.
    pub(super) fn make() -> Result<Self> {
        sweep()?;
        let net = Self(());
        for space in Space::ALL {
            ip(&["netns", "add", &space.name()])?;
        }
        let [clients, proxies, server] = Space::ALL.map(Space::name);
        ip(&["-n", &proxies, "link", "add", "clients", "type", "veth", "peer", "name", "proxies", "netns", &clients])?;
        ip(&["-n", &proxies, "link", "add", "server", "type", "veth", "peer", "name", "proxies", "netns", &server])?;
        for (space, link, own, network, far) in [
            (&clients, "proxies", "10.77.1.2", "10.77.1.0/24", Some("10.77.1.1")),
            (&proxies, "clients", "10.77.1.1", "10.77.1.0/24", None),
            (&proxies, "server", "10.77.2.1", "10.77.2.0/24", None),
            (&server, "proxies", "10.77.2.2", "10.77.2.0/24", Some("10.77.2.1")),
        ] {
            let rule = ["congctl", "cubic"];
            ip(&["-n", space, "link", "set", "lo", "up"])?;
            ip(&["-n", space, "address", "add", &format!("{own}/24"), "dev", link])?;
            ip(&["-n", space, "link", "set", "dev", link, "up"])?;
            let on_link = ["route", "replace", network, "dev", link, "proto", "kernel", "scope", "link", "src", own];
            ip(&[&["-n", space], &on_link[..], &rule].concat())?;
            if let Some(far) = far {
                ip(&[&["-n", space, "route", "add", "default", "via", far], &rule[..]].concat())?;
            }
        }
        for space in Space::ALL {
            // Thousands of connections a second: ports are used again as soon as they may, and there are many.
            for set in ["net.ipv4.ip_forward=1", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=10240 65000"]
            {
                run::take(inside(space, "sysctl").args(["--quiet", "--write", set]))?;
            }
        }
        Ok(net)
    }
}

fn ip(args: &[&str]) -> Result<()> {
    run::take(Command::new("ip").args(args)).map(drop)
}

/// Removes the namespaces of runs whose process is gone.
fn sweep() -> Result<()> {
    let names = run::take(Command::new("ip").args(["netns", "list"]))?;
    for name in names.lines().filter_map(|line| line.split(' ').next()).filter(|name| is_left(name)) {
        say::line(format_args!("removing `{name}`, which a run left that was killed"));
        ip(&["netns", "delete", name])?;
    }
    Ok(())
}

fn is_left(name: &str) -> bool {
    let made_by = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
    made_by.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// A program in one of the namespaces. It ends with this process, however that ends.
pub(super) fn inside(space: Space, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &space.name(), "setpriv", "--pdeathsig", "TERM", program]);
    command
}

/// A program that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    hears: Option<ChildStdin>,
    name: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hears = None;
        // Programs with workers end them when they are asked to end, and not when they are killed.
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(3);
        while std::time::Instant::now() < end {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        say::warning(format_args!("{} did not end when it was asked to, and is killed", self.name));
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Running {
    /// Starts it.
    pub(super) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot run {name}"))?;
        Ok(Self { child, hears: None, name: name.to_owned() })
    }

    /// Starts it, and waits until it says `word`. It may wait for the end of its input.
    pub(super) fn start_until(name: &str, command: &mut Command, word: &str) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot run {name}"))?;
        let (says, hears) = (child.stdout.take(), child.stdin.take());
        let running = Self { child, hears, name: name.to_owned() };
        let mut line = String::new();
        BufReader::new(says.context("no output")?).read_line(&mut line)?;
        ensure!(line.trim() == word, "{name} said `{}`: wanted `{word}`", line.trim());
        Ok(running)
    }

    /// Ends its input, and waits until it ends by itself.
    pub(super) fn finish(mut self) -> Result<()> {
        self.hears = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} failed ({status})", self.name);
        Ok(())
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Runs a program with this text as its input, and returns what it said.
pub(super) fn fed(command: &mut Command, text: &str) -> Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let mut said = String::new();
        output.stderr.as_slice().read_to_string(&mut said)?;
        bail!("{}", said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_gone_process_left_is_swept() {
        assert!(is_left("hpb-4294967295-clients"));
        assert!(!is_left(&Space::Clients.name()), "this process lives");
        assert!(!is_left("hpb-x-clients") && !is_left("other-4294967295-clients"));
    }
}
