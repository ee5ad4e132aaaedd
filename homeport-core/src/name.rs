//! Owns the names of the protocol: each is a newtype that can only hold a well-formed name.
//! Never looks anything up: whether a name exists is somebody else's question.

use std::fmt;

/// A text that is not a well-formed name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` cannot be used as {kind}: wanted {wanted}")]
pub struct NameError {
    /// What the name would have named, for example `instance name`.
    pub kind: &'static str,
    /// The text as it was given.
    pub found: String,
    /// The rule in words.
    pub wanted: &'static str,
}

/// Which characters a name may have after its first letter.
#[derive(Clone, Copy)]
enum Alphabet {
    /// `a-z`, `0-9` and single `-` inside.
    Dashed,
    /// `a-z`, `0-9` and `_`, in parts joined by `.`.
    Dotted,
}

fn is_well_formed(text: &str, alphabet: Alphabet, min: usize, max: usize) -> bool {
    if text.len() < min || text.len() > max {
        return false;
    }
    let part_ok = |part: &str, joiner: u8| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == joiner)
            && bytes.last() != Some(&joiner)
    };
    match alphabet {
        Alphabet::Dashed => part_ok(text, b'-'),
        Alphabet::Dotted => text.split('.').all(|part| part_ok(part, b'_')),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $alphabet:expr, $min:literal ..= $max:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The rule in words, for messages.
            pub const WANTED: &'static str = $wanted;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                if is_well_formed(&text, $alphabet, $min, $max) {
                    Ok(Self(text))
                } else {
                    Err(NameError { kind: $kind, found: text, wanted: $wanted })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
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

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// Names a port, for example `shell`. [spec: MAN-5]
    PortId, "port id", Alphabet::Dashed, 2..=32,
    "2 to 32 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names one deployment of a port on a host, for example `alice-shell`.
    InstanceName, "instance name", Alphabet::Dashed, 1..=40,
    "1 to 40 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names a volume within its port. [spec: MAN-5]
    VolumeName, "volume name", Alphabet::Dashed, 1..=32,
    "1 to 32 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names an endpoint within its port. [spec: MAN-5]
    EndpointName, "endpoint name", Alphabet::Dashed, 1..=32,
    "1 to 32 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names a service that an init runs. [spec: MAN-5]
    ServiceName, "service name", Alphabet::Dashed, 1..=32,
    "1 to 32 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names a schedule within its port. [spec: MAN-5]
    ScheduleName, "schedule name", Alphabet::Dashed, 1..=32,
    "1 to 32 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names a command within its port. [spec: MAN-5]
    CommandName, "command name", Alphabet::Dashed, 1..=32,
    "1 to 32 of a-z, 0-9 and `-`, a letter first, no `-` last"
);
name_type!(
    /// Names a configuration key, for example `relay.host`. [spec: MAN-5]
    ConfigKey, "configuration key", Alphabet::Dotted, 1..=64,
    "1 to 64 of a-z, 0-9 and `_`, in parts joined by `.`, a letter first in each"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_accept_and_refuse_by_the_rule() {
        for good in ["ab", "shell", "a1-b2", "web-2"] {
            assert!(good.parse::<PortId>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1a", "-a", "a-", "A", "a_b", "a.b", "é", &"a".repeat(33)] {
            assert!(bad.parse::<PortId>().is_err(), "{bad}");
        }
        for good in ["a", "relay.host", "authorized_keys", "a1.b2_c"] {
            assert!(good.parse::<ConfigKey>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a-b", "A", "a.1", "_a", "a_"] {
            assert!(bad.parse::<ConfigKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refused_name_says_what_was_found_and_wanted() {
        let error = "Bob".parse::<InstanceName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Bob` cannot be used as instance name: wanted 1 to 40 of a-z, 0-9 and `-`, a letter first, no `-` last"
        );
    }
}
