//! Owns why an operation was refused or failed, as a person is told. Never decides anything.

use homeport_core::fault::{Advice, Fault};
use homeport_core::name::InstanceName;

use super::data_error::DataError;
use crate::approval::ApprovalError;
use crate::engine::EngineError;
use crate::image::ImageError;
use crate::layout::LayoutError;
use crate::ledger::LedgerError;
use crate::oplock::LockError;
use crate::routes::RoutesError;
use crate::run::RunError;
use crate::way_back::WayBackError;

/// Why an operation was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// HomePort does not run as root.
    #[error("homeport needs to run as root: found user id {uid}")]
    NotRoot {
        /// The user id.
        uid: u32,
    },
    /// HomePort's own directories cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Another operation runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The daemon cannot be used.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// Containers cannot be dialled from their clients' addresses.
    #[error(transparent)]
    WayBack(#[from] WayBackError),
    /// The port's image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Something about the request, the configuration or the volumes is wrong: every fault, and nothing was done.
    #[error("{what} was refused: {}", count(.faults.len()))]
    Refused {
        /// What was asked for.
        what: String,
        /// Every fault.
        faults: Vec<Fault>,
    },
    /// There is no such instance.
    #[error("there is no instance `{name}`{}", others(.known))]
    NoInstance {
        /// The name.
        name: InstanceName,
        /// The names that there are.
        known: Vec<String>,
    },
    /// An earlier operation on the instance could not be brought to an end.
    #[error("nothing can be done to `{name}` yet: {reason}")]
    Stuck {
        /// The instance.
        name: InstanceName,
        /// Why.
        reason: String,
    },
    /// The instance does not run.
    #[error("instance `{name}` does not run")]
    NotRunning {
        /// The instance.
        name: InstanceName,
    },
    /// The instance runs, and a public address of it does not answer.
    #[error("instance `{name}` runs, and the public address of `{endpoint}` does not work")]
    Silent {
        /// The instance.
        name: InstanceName,
        /// The endpoint.
        endpoint: homeport_core::name::EndpointName,
        /// What was found.
        #[source]
        source: crate::probe::ProbeError,
    },
    /// A stored manifest cannot be read any more.
    #[error("the manifest that the ledger has of `{name}` cannot be used")]
    StoredManifest {
        /// The instance.
        name: InstanceName,
        /// Why.
        #[source]
        source: homeport_core::manifest::ManifestError,
    },
    /// An approval is missing, or does not count.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// Something about snapshots, volumes or the trash was refused or failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It was begun, and failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The port did not get ready, and the instance had another version before that one can go back to.
    #[error("{failed}")]
    NotReady {
        /// The instance.
        name: InstanceName,
        /// The version that did not get ready.
        version: semver::Version,
        /// The version that it had before.
        former: semver::Version,
        /// What failed.
        #[source]
        failed: Box<RunError>,
    },
    /// It failed, and bringing back what ran before failed too.
    #[error("{failed}; and `{name}` could not be started as it was before")]
    NotRestored {
        /// The instance.
        name: InstanceName,
        /// Why it failed at first.
        failed: Box<OperationError>,
        /// Why it could not be brought back.
        #[source]
        source: Box<OperationError>,
    },
}

fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

fn others(names: &[String]) -> String {
    match names {
        [] => ": there are none".to_owned(),
        names => format!(": found {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}

impl Advice for OperationError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotRoot { .. } => "HP-OPN-020",
            Self::Layout(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Routes(error) => error.code(),
            Self::WayBack(error) => error.code(),
            Self::Image(error) => error.code(),
            Self::Refused { faults, .. } => faults.first().map_or("HP-OPN-021", |fault| fault.code),
            Self::NoInstance { .. } => "HP-OPN-022",
            Self::Stuck { .. } => "HP-OPN-023",
            Self::NotRunning { .. } => "HP-OPN-024",
            Self::Silent { .. } => "HP-OPN-026",
            Self::StoredManifest { source, .. } => source.code(),
            Self::Approval(error) => error.code(),
            Self::Data(error) => error.code(),
            Self::Run(error) => error.code(),
            Self::NotReady { failed, .. } => failed.code(),
            Self::NotRestored { .. } => "HP-OPN-025",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NotRoot { .. } => Some("repeat it with `sudo`".to_owned()),
            Self::Layout(error) => error.help(),
            Self::Lock(error) => error.help(),
            Self::Ledger(error) => error.help(),
            Self::Engine(error) => error.help(),
            Self::Routes(error) => error.help(),
            Self::WayBack(error) => error.help(),
            Self::Image(error) => error.help(),
            Self::Refused { .. } => {
                Some("nothing was changed; correct what is named above and repeat the command".to_owned())
            }
            Self::NoInstance { .. } => Some("`homeport list` lists them; `homeport deploy` makes one".to_owned()),
            Self::Stuck { .. } => Some("mend what is named, and repeat the command: it tries again".to_owned()),
            Self::NotRunning { name } => Some(format!("start it: `homeport start {name}`")),
            Self::Silent { source: crate::probe::ProbeError::NotHeld { source, .. }, .. } => source.help(),
            Self::Silent { name, .. } => Some(format!(
                "`homeport route show {name}` tells whether the daemon holds it; where it does, `homeport logs {name}` tells what the \
                 port says, and `homeport restart {name}` gives it a new container"
            )),
            Self::StoredManifest { source, .. } => source.help(),
            Self::Approval(error) => error.help(),
            Self::Data(error) => error.help(),
            Self::Run(error) => error.help(),
            Self::NotReady { name, version, former, failed } => {
                let back =
                    format!("where version {version} is at fault, `homeport rollback {name}` goes back to {former}");
                Some(failed.help().map_or_else(|| back.clone(), |help| format!("{help}; {back}")))
            }
            Self::NotRestored { name, .. } => Some(format!(
                "mend what is named, then `homeport start {name}`; its data and former configuration are there"
            )),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Refused { faults, .. } => faults,
            Self::Image(error) => error.faults(),
            Self::StoredManifest { source, .. } => source.faults(),
            Self::Data(error) => error.faults(),
            Self::Run(error) => error.faults(),
            Self::NotReady { failed, .. } => failed.faults(),
            _ => &[],
        }
    }
}
