//! Owns why an accelerator could not do what it was to do. Never decides anything.

use homeport_core::fault::Advice;
use homeport_router::Backend;

/// An accelerator could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceleratorError {
    /// A program, or the kernel, refused.
    #[error("`{backend}` could not {action}: {why}")]
    Failed {
        /// Which one.
        backend: Backend,
        /// What it was doing.
        action: &'static str,
        /// What was said.
        why: String,
    },
    /// Whoever was led got no answer.
    #[error(
        "clients that `{backend}` led to the container got no answer: a firewall of this machine may keep them from it"
    )]
    Silent {
        /// By which one.
        backend: Backend,
    },
    /// New clients may still be led to a container that is not the route's any more, since everything that would end that failed.
    #[error("new clients may still be led by `{backend}` as before: {why}")]
    StillLed {
        /// By which one.
        backend: Backend,
        /// What was tried, and what was said.
        why: String,
    },
}

impl Advice for AcceleratorError {
    fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "HP-RTR-037",
            Self::Silent { .. } => "HP-RTR-039",
            Self::StillLed { .. } => "HP-RTR-038",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Failed { .. } => None,
            Self::Silent { .. } => {
                Some("Have the firewall forward to the container, or use `--backend builtin`.".to_owned())
            }
            Self::StillLed { backend, .. } => Some(match backend {
                Backend::Nftables => {
                    "Look at `nft list tables`, delete the table `homeport-...`, and repeat it.".to_owned()
                }
                Backend::Builtin | Backend::Haproxy => "End that process, and repeat it.".to_owned(),
            }),
        }
    }
}
