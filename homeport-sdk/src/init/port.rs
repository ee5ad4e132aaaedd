//! Owns what a port's author writes: the hooks of an init, each with a sensible default.
//! Never calls them: `phase` and `supervise` do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use homeport_core::datagram_table::takes_datagrams;
use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_core::manifest::{Manifest, Transport};
use homeport_core::name::{CommandName, VolumeName};
use homeport_core::unit::{Format, PortNumber};

use super::context::Context;
use super::report::{Failure, Report};
use super::service::Service;

/// One step of a migration: one volume, one format up or down.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The manifest of the image that migrates.
    pub manifest: &'a Manifest,
    /// The volume.
    pub volume: &'a VolumeName,
    /// Where it stands.
    pub path: &'a str,
    /// The format that its data has.
    pub from: Format,
    /// The format that its data shall have.
    pub to: Format,
    /// The snapshot that was made before.
    pub snapshot: &'a str,
}

/// A migration that did not work. [spec: ENT-5]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationFailure {
    /// Not a byte of the volume was changed: exit 82.
    Unchanged(Failure),
    /// The volume may be half migrated: exit 83, and the host restores the snapshot.
    MayBeChanged(Failure),
}

/// How a command ended. [spec: ENT-6]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd {
    /// It did what it should.
    Done,
    /// It says something else by a code of its own.
    Own(OwnCode),
}

/// An exit code whose meaning is the port's own: 2 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnCode(u8);

impl OwnCode {
    /// The code; `None` where it is not from 2 to 63.
    pub const fn new(code: u8) -> Option<Self> {
        if code >= 2 && code <= 63 { Some(Self(code)) } else { None }
    }

    /// The code.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A port, as its author writes it: what to check, what to run, when it works.
pub trait Port {
    /// Reports everything in the configuration that the manifest's own rules cannot see. Writes nothing and looks into
    /// no volume. It is also called before `prepare`, which can rely on it.
    fn check(&self, cx: &Context, report: &mut Report) {
        let _ = (cx, report);
    }

    /// Reports what is wrong with the volumes' content. Writes nothing. It is called, and before `prepare` as well, only
    /// where every volume passed the guard: what stands in the place of another volume is never looked into.
    fn check_volumes(&self, cx: &Context, report: &mut Report) {
        let _ = (cx, report);
    }

    /// Makes what the services need (renders configuration to a file system in memory, fills new volumes) and names
    /// the services, in the order in which they are started. A reload calls it again.
    fn prepare(&self, cx: &Context) -> Result<Vec<Service>, Failure>;

    /// Whether the port serves. It runs in a process of its own and is asked again every few milliseconds until it
    /// says yes, so it should fail cheaply. [spec: ENT-30]
    fn ready(&self, cx: &Context) -> Result<(), Failure> {
        endpoints_answer(cx)?;
        self.health(cx)
    }

    /// Whether the port works right now, as a user would find it. It runs in a process of its own and has 5 seconds.
    /// It looks at nothing outside of the port.
    fn health(&self, cx: &Context) -> Result<(), Failure> {
        endpoints_answer(cx)
    }

    /// What an operator should see in `homeport status`; never a secret. It is asked after `prepare`.
    fn facts(&self, cx: &Context) -> BTreeMap<String, String> {
        let _ = cx;
        BTreeMap::new()
    }

    /// Carries out a command of the manifest; commands that it does not know do not reach it.
    fn command(&self, cx: &Context, name: &CommandName, args: &[String]) -> Result<CommandEnd, Failure> {
        let _ = (cx, args);
        let fault = Fault::new("HP-INIT-010", format!("commands.{name}"), format!("`{name}` is not implemented"));
        Err(Failure::new(ExitStatus::Usage, fault))
    }

    /// Carries out one step of a migration. It may be killed at any moment and called again. Nothing of `prepare` has
    /// happened, and there is no configuration. Whatever it wrote is put on the disk after it. [spec: ENT-15, ENT-47]
    fn migrate(&self, step: &Step<'_>) -> Result<(), MigrationFailure> {
        let subject = format!("volumes.{}", step.volume);
        let message = format!("there is no step from format {} to {}", step.from, step.to);
        let fault = Fault::new("HP-INIT-011", subject, message);
        Err(MigrationFailure::Unchanged(Failure::new(ExitStatus::Internal, fault)))
    }
}

/// Whether each TCP endpoint of the manifest takes a connection on the loopback address, and somebody takes datagrams from
/// outside on each UDP endpoint: that something listens, and no more. A port that can log in, or ask for a page, should do
/// that instead.
pub fn endpoints_answer(cx: &Context) -> Result<(), Failure> {
    let mut report = Report::default();
    for (name, endpoint) in &cx.manifest.endpoints {
        let answers = match endpoint.transport {
            Transport::Tcp => connect(endpoint.port.get()),
            Transport::Udp => is_taken(endpoint.port),
        };
        if let Err(error) = answers {
            let message = format!("endpoint `{name}` does not answer on port {}", endpoint.port);
            let fault = Fault::new("HP-RUN-010", format!("endpoints.{name}"), message).actual(error.to_string());
            report.error(ExitStatus::ServiceFailed, fault);
        }
    }
    report.into_result()
}

/// Whether somebody takes datagrams on the port. What is sent to try it would mean something to whoever gets it.
fn is_taken(port: PortNumber) -> std::io::Result<()> {
    // A kernel without IPv6 has no second table.
    let six = std::fs::read_to_string("/proc/self/net/udp6").unwrap_or_default();
    let is_taken =
        takes_datagrams(&std::fs::read_to_string("/proc/self/net/udp")?, port) || takes_datagrams(&six, port);
    if is_taken {
        Ok(())
    } else {
        Err(std::io::Error::other("nobody takes datagrams there, other than on loopback addresses"))
    }
}

/// Takes a connection to a port of the loopback address, and lets it go.
pub(crate) fn connect(port: u16) -> std::io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn an_endpoint_for_datagrams_answers_where_somebody_takes_them_from_outside() {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = PortNumber::new(socket.local_addr().unwrap().port());
        is_taken(port).unwrap();
        drop(socket);
        let only_inside = UdpSocket::bind((Ipv4Addr::LOCALHOST, port.get())).unwrap();
        let error = is_taken(port).unwrap_err();
        assert_eq!(error.to_string(), "nobody takes datagrams there, other than on loopback addresses");
        drop(only_inside);
    }
}
