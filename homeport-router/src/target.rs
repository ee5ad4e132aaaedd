//! Owns where a route leads: a container and its address. Never resolves one: both come from the engine's side.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use homeport_core::fault::Advice;

use crate::announce::Announcement;

/// Names a container for as long as it exists; never used again for another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

/// A text that is not a container id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a container id: wanted 1 to 128 of a-z, A-Z, 0-9, `_`, `.` and `-`, a letter or digit first")]
pub struct ContainerIdError(pub String);

impl Advice for ContainerIdError {
    fn code(&self) -> &'static str {
        "HP-RTR-021"
    }

    fn help(&self) -> Option<String> {
        None
    }
}

impl ContainerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ContainerId {
    type Error = ContainerIdError;

    fn try_from(text: String) -> Result<Self, ContainerIdError> {
        let bytes = text.as_bytes();
        let well_formed = bytes.len() <= 128
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if well_formed { Ok(Self(text)) } else { Err(ContainerIdError(text)) }
    }
}

impl FromStr for ContainerId {
    type Err = ContainerIdError;

    fn from_str(text: &str) -> Result<Self, ContainerIdError> {
        Self::try_from(text.to_owned())
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a route leads.
///
/// The container is part of it because an address alone says nothing: engines give a dead container's address to the
/// next one. Two targets are the same only if container and address both are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The container that answers at the address.
    pub container: ContainerId,
    /// The container's own address and port, reachable from the host.
    pub address: SocketAddr,
    /// How the container is told the addresses of its clients.
    #[serde(default, skip_serializing_if = "Announcement::is_none")]
    pub announcement: Announcement,
}

impl Target {
    /// A container that is not told who its clients are.
    pub const fn new(container: ContainerId, address: SocketAddr) -> Self {
        Self { container, address, announcement: Announcement::None }
    }

    /// The same container, which is told so.
    #[must_use]
    pub fn announcing(self, announcement: Announcement) -> Self {
        Self { announcement, ..self }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in container {}", self.address, self.container)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_accept_and_refuse_by_the_rule() {
        for good in ["a", "4fa6e0f0c678", "homeport-web_1.2", &"f".repeat(128)] {
            assert_eq!(good.parse::<ContainerId>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "é", "a\n", &"f".repeat(129)] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_crosses_a_document_unchanged() {
        let plain = Target::new("c1".parse().unwrap(), "[fd00::2]:22".parse().unwrap());
        let told = plain.clone().announcing(Announcement::ProxyV2);
        for (target, wanted) in [
            (plain, r#"{"container":"c1","address":"[fd00::2]:22"}"#),
            (told, r#"{"container":"c1","address":"[fd00::2]:22","announcement":"proxy_v2"}"#),
        ] {
            let json = serde_json::to_string(&target).unwrap();
            assert_eq!(json, wanted);
            assert_eq!(serde_json::from_str::<Target>(&json).unwrap(), target);
        }
        assert!(serde_json::from_str::<Target>(r#"{"container":"-","address":"1.2.3.4:5"}"#).is_err());
        assert!(serde_json::from_str::<Target>(r#"{"container":"c","address":"1.2.3.4:5","x":1}"#).is_err());
    }
}
