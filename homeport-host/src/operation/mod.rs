//! Operations: what a person can ask for, each from its request to its outcome.
//!
//! Each takes the lock, brings to an end what was cut off, looks at everything that there is to know, plans, and runs.
//! Never writes to a terminal.

mod config;
mod deploy;
mod enter;
mod error;
mod lifecycle;
mod observe;
mod remove;
mod survey;

pub use config::{ConfigView, Reconfigured, ValueOrigin, config_change, config_view};
pub use deploy::{DeployOutcome, DeployPlan, Deployed, deploy, plan_deploy};
pub use enter::resume_cut_off;
pub use error::OperationError;
pub use lifecycle::{LifecycleOutcome, Running, restart, start, start_again, stop};
pub use observe::{InstanceView, RouteView, VolumeView, container_of, list, port_info, routes, status};
pub use remove::{Execution, Removed, remove};
