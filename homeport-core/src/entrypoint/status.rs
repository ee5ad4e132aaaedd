//! Owns what a running init says about itself: the content of `/run/port/status.json`.
//! Never measures anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::{InstanceName, PortId, ServiceName};

/// How the port as a whole is. [spec: ENT-35]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Not ready yet.
    Starting,
    /// Every service runs and the endpoints answer.
    Ready,
    /// A service that is not critical is down, or the last health check failed.
    Degraded,
    /// Told to stop.
    Stopping,
}

/// What one service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Not started yet.
    Waiting,
    /// Running.
    Running,
    /// Ended, and will be started again after a while.
    Backoff,
    /// Gave up, or ended for good.
    Failed,
    /// Stopped as asked.
    Stopped,
}

/// One service of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// What it is doing.
    pub state: ServiceState,
    /// Its process id in the container, while it runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<i32>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended the last time, for example `exit 1` or `signal 9`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_exit: Option<String>,
}

/// The whole status file, and what the `health` phase prints. [spec: ENT-35]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of this shape: 1.
    pub hp: u8,
    /// The port.
    pub port: PortId,
    /// The port's version.
    pub version: String,
    /// The instance.
    pub instance: InstanceName,
    /// How the port is.
    pub condition: Condition,
    /// One line for people.
    pub text: String,
    /// Since when it is in this condition, RFC 3339 with `Z`.
    pub since: String,
    /// Facts that the port wants an operator to see, for example a host key's fingerprint; never secrets.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// Each service of the manifest.
    pub services: BTreeMap<ServiceName, ServiceStatus>,
}
