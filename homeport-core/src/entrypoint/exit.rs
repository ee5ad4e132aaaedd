//! Owns the exit codes of an init: what each says, what the host does about it and whose turn it is.
//! Never turns a child's code into one: those are a service's own words.

use super::diagnostic::Retry;

macro_rules! exit_status {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $retry:ident, $meaning:literal;)+) => {
        /// How an init ended. [spec: ENT-25]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ExitStatus {
            $($(#[$doc])* $name = $code,)+
        }

        impl ExitStatus {
            /// Every status, in the order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The status that has this code; `None` for codes that the contract gives no meaning.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// What the code says, for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)+
                }
            }

            /// When the host may start the port again. [spec: ENT-26]
            pub const fn retry(self) -> Retry {
                match self {
                    $(Self::$name => Retry::$retry,)+
                }
            }
        }
    };
}

exit_status! {
    /// Done, or stopped as asked.
    Done = 0, Never, "done";
    /// A bug of the init that it could not name.
    Unclassified = 1, Backoff, "unclassified bug of the port";
    /// The phase or the command is not known.
    Usage = 64, Never, "unknown phase or command";
    /// A volume's content is foreign or corrupt.
    DataForeign = 65, Never, "a volume's content is foreign or corrupt";
    /// A declared volume or input is not mounted.
    InputMissing = 66, Never, "a declared volume or input is not mounted";
    /// A critical service gave up, or the port is not healthy.
    ServiceFailed = 69, Backoff, "a critical service gave up";
    /// A bug of the port, or a manifest that it cannot read.
    Internal = 70, Never, "internal fault of the port";
    /// The operating system refused: no process, descriptor or mount.
    OsRefused = 71, Backoff, "the operating system refused";
    /// A file could not be made, for example on a read-only volume.
    CannotCreate = 73, Never, "cannot create a file";
    /// Reading or writing failed.
    Io = 74, Never, "input or output failed";
    /// Try again later.
    Temporary = 75, Backoff, "temporary failure";
    /// The host's protocol version is not supported.
    Protocol = 76, Never, "protocol version not supported";
    /// A permission, capability or owner is missing.
    NotPermitted = 77, Never, "permission, capability or ownership missing";
    /// The configuration is not valid.
    ConfigInvalid = 78, Config, "configuration is not valid";
    /// A volume's format is newer than the port.
    FormatNewer = 80, Never, "a volume's format is newer than the port";
    /// A volume's data must be migrated first.
    MigrationNeeded = 81, Never, "a volume must be migrated first";
    /// The migration failed and changed nothing.
    MigrationFailedClean = 82, Never, "migration failed, data unchanged";
    /// The migration failed and may have changed data.
    MigrationFailedDirty = 83, Never, "migration failed, data may be changed";
    /// Not enough space or inodes.
    NoSpace = 84, Space, "not enough space or inodes";
    /// The stop deadline passed and something had to be killed.
    KilledAtStop = 85, Never, "stop deadline passed, something had to be killed";
}

impl ExitStatus {
    /// The number that the process exits with.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_own_and_leave_the_reserved_ranges_alone() {
        for status in ExitStatus::ALL {
            let code = status.code();
            assert_eq!(ExitStatus::from_code(code), Some(*status));
            assert!(code <= 1 || (64..=78).contains(&code) || (80..=89).contains(&code), "{code}");
        }
        for foreign in [2, 63, 79, 90, 125, 126, 127, 128, 137, 143, 255] {
            assert_eq!(ExitStatus::from_code(foreign), None, "{foreign}");
        }
    }
}
