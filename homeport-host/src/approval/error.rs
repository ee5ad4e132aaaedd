//! Owns why a consent does not count, as a person is told. Never decides anything.

use std::fmt;

use homeport_core::fault::Advice;

use crate::ledger::Time;

/// A fact that is other now than when it was approved.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The fact.
    pub name: String,
    /// What was approved; `None` where there was no such fact.
    pub approved: Option<String>,
    /// What is so now; `None` where there is no such fact any more.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.approved, &self.found) {
            (Some(approved), Some(found)) => write!(f, "{}: approved `{approved}`, found `{found}`", self.name),
            (Some(approved), None) => write!(f, "{}: approved `{approved}`, is gone", self.name),
            (None, Some(found)) => write!(f, "{}: not in the approval, found `{found}`", self.name),
            (None, None) => f.write_str(&self.name),
        }
    }
}

/// Why a consent does not count. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// There is none, and one is needed.
    #[error("`{command}` needs an approval: {why}")]
    Missing {
        /// What was asked for.
        command: String,
        /// What it would do to data.
        why: String,
    },
    /// Nobody ever gave this token out, or it was forgotten long ago.
    #[error("no approval has this token")]
    Unknown,
    /// It was used.
    #[error("this approval was used already, at {at}")]
    Used {
        /// When.
        at: Time,
    },
    /// It is too old.
    #[error("this approval has expired, at {at}")]
    Expired {
        /// When.
        at: Time,
    },
    /// It was given out for something else.
    #[error("this approval is for `{found}`, not for `{wanted}`")]
    OtherCommand {
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// It was given out for the same command, and what that would do has changed since.
    #[error("what `{command}` would do has changed since it was approved: {}", list(.differences))]
    OtherPlan {
        /// What was asked for.
        command: String,
        /// What is other now.
        differences: Vec<Difference>,
    },
    /// There is nothing in it that needs one: a token that is given anyway is a sign of a misunderstanding.
    #[error("`{command}` needs no approval")]
    NotNeeded {
        /// What was asked for.
        command: String,
    },
}

fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 5;
    let mut text: Vec<String> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
    if differences.len() > SHOWN {
        text.push(format!("and {} more", differences.len() - SHOWN));
    }
    text.join("; ")
}

impl Advice for ApprovalError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "HP-APR-002",
            Self::Unknown => "HP-APR-003",
            Self::Used { .. } => "HP-APR-004",
            Self::Expired { .. } => "HP-APR-005",
            Self::OtherCommand { .. } => "HP-APR-006",
            Self::OtherPlan { .. } => "HP-APR-007",
            Self::NotNeeded { .. } => "HP-APR-008",
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::NotNeeded { .. } => "leave `--approve` out; look at what was asked for first",
            Self::Missing { .. } => {
                "run it with `--dry-run`: it shows what would be done, and a token; repeat it with `--approve TOKEN`"
            }
            Self::Unknown
            | Self::Used { .. }
            | Self::Expired { .. }
            | Self::OtherCommand { .. }
            | Self::OtherPlan { .. } => {
                "nothing was changed; run it with `--dry-run`, look at what it would do, and use the token that it shows"
            }
        };
        Some(help.to_owned())
    }
}
