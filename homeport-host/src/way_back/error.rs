//! Owns why there is no way back for packets of containers. Never tries again.

use std::path::PathBuf;

use homeport_core::fault::Advice;

/// Why containers cannot be dialled from their clients' addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WayBackError {
    /// A program is missing.
    #[error(
        "containers can be dialled from their clients' addresses only with the program `{program}`, which was not found"
    )]
    NoProgram {
        /// The program.
        program: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// It cannot be noted that there is one.
    #[error("the way back of packets to clients' addresses cannot be noted in `{}`: {said}", .path.display())]
    Note {
        /// The note.
        path: PathBuf,
        /// The kernel's words.
        said: String,
    },
    /// The kernel, or the program that asks it, refused.
    #[error("the way back of packets to clients' addresses cannot be made: `{program}` says: {said}")]
    Refused {
        /// The program.
        program: &'static str,
        /// Its words.
        said: String,
    },
}

impl Advice for WayBackError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoProgram { .. } => "HP-RTR-050",
            Self::Refused { .. } => "HP-RTR-051",
            Self::Note { .. } => "HP-RTR-052",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoProgram { package, .. } => Some(format!("install it: `apt-get install {package}`")),
            Self::Refused { .. } => Some(
                "`homeport route set NAME ENDPOINT --source own` does without; a port that declares `proxy_protocol` is told \
                 its clients all the same"
                    .to_owned(),
            ),
            Self::Note { .. } => Some("make room there, or mend what is wrong with the directory, and repeat".to_owned()),
        }
    }
}
