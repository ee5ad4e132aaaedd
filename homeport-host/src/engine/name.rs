//! Owns the names and ids that the engine uses: each type holds only what the engine would take. Never looks one up.

use std::fmt;
use std::str::FromStr;

use homeport_core::digest::Digest;

/// A text that the engine would not take as a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` cannot be used as {kind}: wanted {wanted}")]
pub struct EngineNameError {
    /// What it would have named, for example `container name`.
    pub kind: &'static str,
    /// The text as it was given.
    pub found: String,
    /// The rule in words.
    pub wanted: &'static str,
}

macro_rules! engine_name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:expr, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = EngineNameError;

            fn try_from(text: String) -> Result<Self, EngineNameError> {
                let rule: fn(&str) -> bool = $rule;
                if rule(&text) {
                    Ok(Self(text))
                } else {
                    Err(EngineNameError { kind: $kind, found: text, wanted: $wanted })
                }
            }
        }

        impl FromStr for $name {
            type Err = EngineNameError;

            fn from_str(text: &str) -> Result<Self, EngineNameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The engine's rule for names of containers and networks.
fn is_object_name(text: &str) -> bool {
    (2..=128).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && !is_object_id(text)
}

fn is_object_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_hostname(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_image_name(text: &str) -> bool {
    let lead = text.as_bytes().first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    lead && text.len() <= 255
        && text.parse::<Digest>().is_err()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b':' | b'@' | b'-'))
        && !text.ends_with(['/', ':', '@', '.'])
        && !text.contains("//")
        && !text.contains("..")
}

engine_name!(
    /// Names a container, for example `homeport-alice-shell-1f3c5a7b`. Never has the form of an id.
    ContainerName, "container name", is_object_name,
    "2 to 128 of letters, digits, `_`, `.` and `-`, a letter or digit first"
);
engine_name!(
    /// Names a network. Never has the form of an id.
    NetworkName, "network name", is_object_name,
    "2 to 128 of letters, digits, `_`, `.` and `-`, a letter or digit first"
);
engine_name!(
    /// The engine's id of a container: 64 hexadecimal digits, never used again for another.
    ContainerId, "container id", is_object_id, "64 hexadecimal digits"
);
engine_name!(
    /// The engine's id of a network: 64 hexadecimal digits, never used again for another.
    NetworkId, "network id", is_object_id, "64 hexadecimal digits"
);
engine_name!(
    /// The name by which a container knows itself.
    Hostname, "host name", is_hostname, "1 to 63 of a-z, 0-9 and `-`, no `-` first or last"
);
engine_name!(
    /// The name of an image, for example `homeport/shell:1.2.0`. It may come to mean another image; an id never does.
    ImageName, "image name", is_image_name,
    "a repository in lowercase and optionally `:` and a tag, for example `homeport/shell:1.2.0`"
);

/// An image, by what it is or by what it is called now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageRef {
    /// By its id: always the same bits.
    Id(Digest),
    /// By a name.
    Name(ImageName),
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl FromStr for ImageRef {
    type Err = EngineNameError;

    /// Reads `sha256:` and 64 digits as an id and all else as a name.
    fn from_str(text: &str) -> Result<Self, EngineNameError> {
        text.parse().map_or_else(|_| text.parse().map(Self::Name), |id| Ok(Self::Id(id)))
    }
}

impl From<Digest> for ImageRef {
    fn from(id: Digest) -> Self {
        Self::Id(id)
    }
}

impl From<ImageName> for ImageRef {
    fn from(name: ImageName) -> Self {
        Self::Name(name)
    }
}

/// A container, by its id or by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerRef {
    /// By id: this very container.
    Id(ContainerId),
    /// By name: whichever container has it now.
    Name(ContainerName),
}

impl ContainerRef {
    /// The text by which the engine finds it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_str(),
            Self::Name(name) => name.as_str(),
        }
    }
}

impl fmt::Display for ContainerRef {
    /// Writes the name, or the first 12 digits of the id as the engine's own tools do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(&id.as_str()[..12]),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl From<ContainerId> for ContainerRef {
    fn from(id: ContainerId) -> Self {
        Self::Id(id)
    }
}

impl From<&ContainerId> for ContainerRef {
    fn from(id: &ContainerId) -> Self {
        Self::Id(id.clone())
    }
}

impl From<ContainerName> for ContainerRef {
    fn from(name: ContainerName) -> Self {
        Self::Name(name)
    }
}

impl From<&ContainerName> for ContainerRef {
    fn from(name: &ContainerName) -> Self {
        Self::Name(name.clone())
    }
}

/// A Linux capability, written without its prefix, for example `SETUID`. Which of them a port may have is not said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Capability(&'static str);

/// Every capability of Linux 5.9 and newer.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

impl Capability {
    /// Lets init change user, which every port needs.
    pub const SETUID: Self = Self("SETUID");
    /// Lets init change group, which every port needs.
    pub const SETGID: Self = Self("SETGID");
    /// Lets init signal services that run as other users, which every port needs.
    pub const KILL: Self = Self("KILL");

    /// The name without its prefix.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for Capability {
    type Err = EngineNameError;

    /// Reads a name with or without `CAP_`, in capitals.
    fn from_str(text: &str) -> Result<Self, EngineNameError> {
        let bare = text.strip_prefix("CAP_").unwrap_or(text);
        CAPABILITIES.iter().find(|known| **known == bare).map(|known| Self(known)).ok_or_else(|| EngineNameError {
            kind: "capability",
            found: text.to_owned(),
            wanted: "a Linux capability in capitals, for example `SETUID`",
        })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_engine_takes() {
        let id = "0a".repeat(32);
        for good in ["ab", "homeport-alice-1f3c5a7b", "A.b_c-1"] {
            assert!(good.parse::<ContainerName>().is_ok(), "{good}");
        }
        for bad in ["", "a", "-ab", "_ab", "a b", "a/b", "é1", id.as_str(), &"a".repeat(129)] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad}");
        }
        assert!(id.parse::<ContainerId>().is_ok());
        for bad in [&id[1..], &id.to_uppercase(), ""] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_is_named_by_id_or_by_name_and_the_two_cannot_be_confused() {
        let id = format!("sha256:{}", "0a".repeat(32));
        assert!(matches!(id.parse(), Ok(ImageRef::Id(_))));
        for good in ["shell", "homeport/shell:1.2.0", "127.0.0.1:5000/a/b:c", "a@sha256:00"] {
            assert!(matches!(good.parse(), Ok(ImageRef::Name(_))), "{good}");
        }
        for bad in ["", "Shell", "a b", "a:", "/a", "a//b", "a/../b", "-a", "a?b", "a#b", "a%2e"] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn capabilities_are_known_ones() {
        assert_eq!("CAP_SETUID".parse(), Ok(Capability::SETUID));
        assert_eq!("KILL".parse(), Ok(Capability::KILL));
        assert!(CAPABILITIES.is_sorted());
        for bad in ["", "ALL", "setuid", "CAP_", "CAP_CAP_KILL"] {
            assert!(bad.parse::<Capability>().is_err(), "{bad}");
        }
    }
}
