//! Owns the names of what can carry a route's clients, and how that is told. Never carries anything: the router is the first of
//! them, and the others are its caller's.

use std::fmt;
use std::str::FromStr;

use homeport_core::fault::Advice;

/// What carries the clients of a route to its container. Whatever it is, the router listens on the public address: who is not
/// carried by another one comes to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The router itself.
    #[default]
    Builtin,
    /// The kernel, by address translation.
    Nftables,
    /// A haproxy beside the daemon.
    Haproxy,
}

/// A text that names no backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no backend: wanted `nftables`, `haproxy` or `builtin`")]
pub struct BackendError(pub String);

impl Advice for BackendError {
    fn code(&self) -> &'static str {
        "HP-RTR-023"
    }

    fn help(&self) -> Option<String> {
        None
    }
}

impl Backend {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Builtin, Self::Nftables, Self::Haproxy];

    /// Whether it is the router itself.
    pub fn is_builtin(&self) -> bool {
        *self == Self::Builtin
    }

    /// The name, as it is typed and kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Nftables => "nftables",
            Self::Haproxy => "haproxy",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| BackendError(text.to_owned()))
    }
}

/// What carries a route's new clients now, and what another one than the router has of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Carried {
    /// What carries new clients. While the route does not lead anywhere it is the router, with whom they wait.
    pub by: Backend,
    /// Why it is not the one that is wished for; nothing where it is, and where the route does not lead anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<String>,
    /// Connections that go past the router; they are among those that are open and live.
    #[serde(default)]
    pub connections: usize,
    /// What these connections have moved so far; `None` where it is not counted. No counter of the router has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
}

/// Bytes that connections moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moved {
    /// To the container.
    pub from_clients: u64,
    /// From the container.
    pub to_clients: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_printed_kept_and_read_by_one_name() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(backend));
            assert_eq!(serde_json::to_value(backend).unwrap(), backend.as_str());
            assert_eq!(backend.is_builtin(), backend == Backend::default());
        }
        for bad in ["", "nft", "Builtin", "haproxy "] {
            assert_eq!(bad.parse::<Backend>(), Err(BackendError(bad.to_owned())));
        }
    }
}
