//! Owns from where a public address can be reached, and trying it: a client of each place, by the program that containers have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use super::port::{Access, BUSYBOX};
use super::stage::{ECHO, Stage, instance};

/// Where a client is, and which of the machine's addresses it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// Elsewhere, to the machine's address.
    Remote,
    /// The same over IPv6.
    Remote6,
    /// On the machine, to its own address.
    Own,
    /// The same over IPv6.
    Own6,
    /// On the machine, to `127.0.0.1`.
    Loopback,
    /// On the machine, to `::1`.
    Loopback6,
    /// In the container of another instance, to the machine's address.
    OtherContainer,
    /// In the container that serves, to the machine's address.
    SameContainer,
}

impl Path {
    pub(super) const ALL: [Self; 8] = [
        Self::Remote,
        Self::Remote6,
        Self::Own,
        Self::Own6,
        Self::Loopback,
        Self::Loopback6,
        Self::OtherContainer,
        Self::SameContainer,
    ];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Remote => "from elsewhere",
            Self::Remote6 => "from elsewhere, IPv6",
            Self::Own => "from the machine to its own address",
            Self::Own6 => "from the machine to its own address, IPv6",
            Self::Loopback => "from the machine to 127.0.0.1",
            Self::Loopback6 => "from the machine to ::1",
            Self::OtherContainer => "from another container",
            Self::SameContainer => "from the container that serves",
        }
    }

    fn host(self, stage: &Stage) -> IpAddr {
        match self {
            Self::Remote | Self::Own | Self::OtherContainer | Self::SameContainer => stage.space.machine(),
            Self::Remote6 | Self::Own6 => stage.space.machine6(),
            Self::Loopback => Ipv4Addr::LOCALHOST.into(),
            Self::Loopback6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// A program that is to run where the client is.
    fn command(self, stage: &Stage) -> Command {
        let inside = |access: Access| {
            let mut command = Command::new("docker");
            command.args(["exec", "--interactive", &stage.world.container(instance(access)), BUSYBOX]);
            command
        };
        match self {
            Self::Remote | Self::Remote6 => stage.space.command(BUSYBOX),
            Self::OtherContainer => inside(Access::Exclusive),
            Self::SameContainer => inside(Access::Shared),
            Self::Own | Self::Own6 | Self::Loopback | Self::Loopback6 => Command::new(BUSYBOX),
        }
    }

    /// Goes it, and says whether what was sent came back; else what was said, or nothing in time.
    pub(super) fn go(self, stage: &Stage) -> Result<(), String> {
        let (host, port) = (self.host(stage), stage.port(Access::Shared, ECHO));
        let mut command = self.command(stage);
        // What was sent is followed by the end of it, and so is what comes back.
        let words = ["timeout", "5", BUSYBOX, "sh", "-c", "echo a word and back | exec /bin/busybox nc \"$@\"", "nc"];
        command.args(words).args([host.to_string(), port.to_string()]).stdin(Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if out == "a word and back\n" {
            return Ok(());
        }
        let said = err.lines().last().unwrap_or("no answer in time").trim().to_owned();
        Err(if out.is_empty() { said } else { format!("another answer: {out}") })
    }
}
