//! Owns the name of a HomePort's own table, which no other HomePort of the machine has.

use std::fmt::{self, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// How much of the digest is in the name; 48 bits, so that two roots of one machine do not meet.
const DIGITS: usize = 12;

/// The name of a table of the family `inet`, and what marks everything else that is a HomePort's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName(String);

impl TableName {
    /// Of the HomePort whose state is there.
    pub(super) fn of(state: &Path) -> Self {
        let digest = Sha256::digest(state.as_os_str().as_encoded_bytes());
        let mut name = "homeport-".to_owned();
        for byte in &digest[..DIGITS / 2] {
            write!(name, "{byte:02x}").unwrap_or(());
        }
        Self(name)
    }

    /// The name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_roots_have_two_tables_and_one_root_has_always_the_same() {
        let of = |path: &str| TableName::of(Path::new(path)).to_string();
        assert_eq!(of("/var/lib/homeport/state"), "homeport-46b0e6252379");
        assert_ne!(of("/var/lib/homeport/state"), of("/srv/hp/state"));
    }
}
