//! Owns the kinds of operations and which way each goes after a failure or a crash. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A new instance.
    Deploy,
    /// A stopped instance runs again.
    Start,
    /// A running instance stops.
    Stop,
    /// A running instance gets a new container.
    Restart,
    /// An instance gets other configuration.
    Config,
    /// An instance goes; its data stays.
    Remove,
    /// Volumes become what they were in a snapshot.
    Restore,
    /// A restore is taken back.
    Undo,
    /// Trees that were exchanged go to the trash: the end of a restore that is done.
    Settle,
    /// Volumes are given up; their data goes to the trash.
    Purge,
    /// Purged volumes come back.
    PutBack,
    /// What is in the trash is deleted.
    Empty,
    /// A directory becomes a volume.
    Adopt,
    /// A volume is elsewhere from now on.
    Move,
    /// An instance gets another version of its port, higher or lower.
    Upgrade,
    /// An instance gets the version back that it had before.
    Rollback,
    /// A container that only finished what it began goes, and trees that were exchanged go to the trash.
    Retire,
}

/// Which way an operation goes when it cannot go on, or was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Back: what was done is undone, the last step first.
    Back,
    /// On: what was asked for is finished by the next command.
    On,
}

impl Kind {
    const ALL: [Self; 17] = [
        Self::Deploy,
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Config,
        Self::Remove,
        Self::Restore,
        Self::Undo,
        Self::Settle,
        Self::Purge,
        Self::PutBack,
        Self::Empty,
        Self::Adopt,
        Self::Move,
        Self::Upgrade,
        Self::Rollback,
        Self::Retire,
    ];

    /// Which way it goes. What only takes away what can be made again, or what an operator has approved, goes on; what puts
    /// something in the place of something else goes back.
    pub const fn course(self) -> Course {
        match self {
            Self::Deploy
            | Self::Start
            | Self::Restart
            | Self::Config
            | Self::Restore
            | Self::Undo
            | Self::Adopt
            | Self::Move
            | Self::Upgrade
            | Self::Rollback => Course::Back,
            Self::Stop | Self::Remove | Self::Settle | Self::Purge | Self::PutBack | Self::Empty | Self::Retire => {
                Course::On
            }
        }
    }

    /// Whether it stops the instance's container on its way, or follows what did and comes before the start, so that one that
    /// should run may have none when it is cut off.
    pub const fn interrupts(self) -> bool {
        matches!(self, Self::Start | Self::Restart | Self::Config | Self::Restore | Self::Undo | Self::Settle)
            || self.is_change_of_version()
    }

    /// Whether it exchanges what is in volumes.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Restore | Self::Undo) || self.is_change_of_version()
    }

    /// Whether it puts one version of the port in the place of another.
    pub const fn is_change_of_version(self) -> bool {
        matches!(self, Self::Upgrade | Self::Rollback)
    }

    /// The word of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Config => "config",
            Self::Remove => "remove",
            Self::Restore => "restore",
            Self::Undo => "undo",
            Self::Settle => "settle",
            Self::Purge => "purge",
            Self::PutBack => "put-back",
            Self::Empty => "empty",
            Self::Adopt => "adopt",
            Self::Move => "move",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("`{text}` is not a kind of operation that this HomePort knows"))
    }
}
