//! Owns what can keep a route from being carried by the backend that its rules name, and what to do about it. Never decides
//! whether one does.

use homeport_core::fault::{Advice, Fault};
use homeport_router::{Backend, ListenAddress};

/// Why a route is not carried by the backend that its rules name. The router carries it instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// This HomePort does not have it.
    #[error("this HomePort cannot carry clients by `{backend}` yet")]
    NotBuilt {
        /// The backend.
        backend: Backend,
    },
    /// A program is missing that it needs.
    #[error("`{backend}` needs the program `{program}`, which was not found")]
    NoProgram {
        /// The backend.
        backend: Backend,
        /// The program.
        program: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// The program or the kernel cannot do what it needs.
    #[error("this machine cannot do what `{backend}` needs: {why}")]
    NotAble {
        /// The backend.
        backend: Backend,
        /// What was said.
        why: String,
    },
    /// The kernel forwards nothing.
    #[error("`{backend}` needs a kernel that forwards: `{setting}` is 0")]
    NotForwarding {
        /// The backend.
        backend: Backend,
        /// The setting.
        setting: &'static str,
    },
    /// It cannot keep a rule of the route.
    #[error("`{backend}` cannot keep `{option}`")]
    NotKept {
        /// The backend.
        backend: Backend,
        /// The option by which the rule was made.
        option: &'static str,
    },
    /// The container is told who its clients are, which it cannot do.
    #[error("`{backend}` cannot tell a container who its clients are, and the port wants that (`proxy_protocol`)")]
    Announced {
        /// The backend.
        backend: Backend,
    },
    /// The address is one that it cannot lead from.
    #[error("`{backend}` cannot lead clients from `{address}`, which only this machine itself reaches")]
    Loopback {
        /// The backend.
        backend: Backend,
        /// The public address.
        address: ListenAddress,
    },
    /// The route is one over UDP, which it cannot carry.
    #[error("`{backend}` cannot carry datagrams")]
    Datagrams {
        /// The backend.
        backend: Backend,
    },
    /// It was tried, and failed.
    #[error("{0}")]
    Failed(#[from] super::AcceleratorError),
}

impl Advice for Obstacle {
    fn code(&self) -> &'static str {
        match self {
            Self::NotBuilt { .. } => "HP-RTR-030",
            Self::NoProgram { .. } => "HP-RTR-031",
            Self::NotAble { .. } => "HP-RTR-032",
            Self::NotForwarding { .. } => "HP-RTR-033",
            Self::NotKept { .. } => "HP-RTR-034",
            Self::Announced { .. } => "HP-RTR-035",
            Self::Loopback { .. } => "HP-RTR-036",
            Self::Datagrams { .. } => "HP-RTR-040",
            Self::Failed(error) => error.code(),
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotBuilt { .. }
            | Self::NotAble { .. }
            | Self::Announced { .. }
            | Self::Loopback { .. }
            | Self::Datagrams { .. } => "leave it to HomePort itself, with `--backend builtin`".to_owned(),
            Self::NoProgram { package, .. } => format!("install it with `apt install {package}`"),
            Self::NotForwarding { setting, .. } => format!("set it with `sysctl -w {setting}=1`"),
            Self::NotKept { option, .. } => {
                format!(
                    "take the rule away with `{option} usual`, or leave the route to HomePort with `--backend builtin`"
                )
            }
            Self::Failed(error) => return error.help(),
        })
    }
}

impl Obstacle {
    /// The same as a fault of a request.
    pub fn fault(&self) -> Fault {
        let fault = Fault::new(self.code(), "backend", self.to_string());
        self.help().map_or_else(|| fault.clone(), |help| fault.clone().remedy(help))
    }
}
