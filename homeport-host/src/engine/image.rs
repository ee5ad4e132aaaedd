//! Owns what the engine knows of an image. Never reads a manifest: bytes and labels are handed on as they are.

use std::fmt;

use homeport_core::digest::Digest;
use homeport_core::unit::{Bytes, PortNumber};

use super::label::Labels;
use super::name::ImageName;

/// Which transport an exposed port is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port that an image says it listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedPort {
    /// The number.
    pub port: PortNumber,
    /// The transport.
    pub transport: Transport,
}

impl ExposedPort {
    /// Reads `22/tcp` or `22`, which is TCP.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, transport) = text.split_once('/').unwrap_or((text, "tcp"));
        let port = number.parse::<u16>().ok().filter(|port| *port > 0)?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            "sctp" => Transport::Sctp,
            _ => return None,
        };
        Some(Self { port: PortNumber::new(port), transport })
    }
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Sctp => "sctp",
        };
        write!(f, "{}/{transport}", self.port)
    }
}

/// What is true of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// What it is: the digest of its configuration.
    pub id: Digest,
    /// What it is called now.
    pub names: Vec<ImageName>,
    /// Its labels.
    pub labels: Labels,
    /// The program that it runs, with first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments after the entrypoint where none are given.
    pub command: Vec<String>,
    /// Whom it runs as where nothing is said, as the image writes it; empty is root.
    pub user: String,
    /// Environment, `KEY=value`.
    pub env: Vec<String>,
    /// Paths for which the engine makes a nameless volume unless something is mounted there: data in one is easily lost.
    pub volumes: Vec<String>,
    /// Ports that it says it listens on; what cannot be read as one (a range) is left out.
    pub exposed: Vec<ExposedPort>,
    /// Its processor architecture as the engine names it, for example `amd64`.
    pub architecture: String,
    /// How much it takes on disk, with what it shares.
    pub size: Bytes,
}

/// What an archive of images held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadedImage {
    /// An image under this name.
    Named(ImageName),
    /// An image without a name.
    Bare(Digest),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_ports_are_numbers_with_a_transport() {
        for (text, written) in [("22/tcp", "22/tcp"), ("53/udp", "53/udp"), ("22", "22/tcp")] {
            assert_eq!(ExposedPort::parse(text).map(|port| port.to_string()).as_deref(), Some(written));
        }
        for bad in ["", "0/tcp", "1-2/tcp", "22/xyz", "70000", "/tcp"] {
            assert_eq!(ExposedPort::parse(bad), None, "{bad}");
        }
    }
}
