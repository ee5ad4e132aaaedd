//! The container engine behind one trait: what HomePort asks of Docker, as values in and values out.
//!
//! * [`Engine`] is the contract: synchronous, object safe, usable from several threads. Every answer that can be "it was
//!   like that already" is an outcome value ([`StartOutcome`], [`RemoveOutcome`], ...), never an error.
//! * [`ContainerSpec`] describes one hardened container. What a port must never have (published ports, privileges, named
//!   volumes, a restart policy of the engine, a writable root) cannot be written down in it.
//! * [`DockerEngine`] is the only place that knows the Docker API. It blocks its caller on a private runtime.
//! * [`SimEngine`] keeps the same observable behaviour in memory, with injected failures and a process that "dies".
//!
//! Nothing here decides what to start or when: that is the plan's work, and the ledger remembers it.

mod cancel;
mod contract;
pub mod docker;
mod error;
mod exec;
mod facts;
mod image;
mod label;
mod limit;
mod mount;
mod name;
mod network;
mod observe;
mod outcome;
pub mod sim;
mod spec;

pub use cancel::Cancel;
pub(crate) use contract::ANSWER;
pub use contract::Engine;
pub use docker::DockerEngine;
pub use error::{Action, EngineError, Operation, Subject};
pub use exec::{ExecSpec, ExecStreams, Terminal, TerminalSize};
pub use facts::{ApiVersion, CgroupVersion, EngineFacts, Feature, OLDEST_API};
pub use image::{ExposedPort, ImageFacts, LoadedImage, Transport};
pub use label::{LabelFilter, Labels};
pub use limit::{CpuShares, Limits, LogLimit, OomScore, OpenFiles, PidLimit};
pub use mount::{Access, BindMount, Exec, MountFacts, MountKind, MountPath, MountPathError, TmpfsMount};
pub use name::{
    Capability, ContainerId, ContainerName, ContainerRef, EngineNameError, Hostname, ImageName, ImageRef, NetworkId,
    NetworkName,
};
pub use network::{NetworkSpec, PeerTraffic, Reach};
pub use observe::{
    ContainerEvent, ContainerFacts, ContainerState, EventKind, EventRequest, Flow, LogFollow, LogRequest, LogTail,
    LogTimes, Stream,
};
pub use outcome::{
    ContainerCreated, EnsureOutcome, EventsEnd, ExecOutcome, ExitCode, ExitFacts, KillOutcome, LogsEnd, MemoryEnd,
    RemoveOutcome, StartOutcome, StopOutcome, WaitOutcome,
};
pub use sim::SimEngine;
pub use spec::{ContainerSpec, ContainerUser, Entrypoint, ExtraHost, HostAddress, NetworkMode};
