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
    /// Which way it goes. Stopping and removing only take away what can be made again, and the operator asked for it.
    pub const fn course(self) -> Course {
        match self {
            Self::Deploy | Self::Start | Self::Restart | Self::Config => Course::Back,
            Self::Stop | Self::Remove => Course::On,
        }
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
        [Self::Deploy, Self::Start, Self::Stop, Self::Restart, Self::Config, Self::Remove]
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("`{text}` is not a kind of operation that this HomePort knows"))
    }
}
