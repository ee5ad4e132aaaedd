//! Owns the manifest after every rule was checked: what the host and an init work with.
//! Never holds anything that a rule of the specification refuses.

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};

use crate::config::KeySpec;
use crate::name::{CommandName, ConfigKey, EndpointName, PortId, ScheduleName, ServiceName, VolumeName};
use crate::unit::{Bytes, Format, Gid, Inodes, Mode, PortNumber, Seconds, Uid};
use crate::version::ProtocolVersion;

pub use super::wire::{
    Access, Backup, Class, Exposure, LogFormat, Overlap, ProxyProtocol, Tls, Transport, When, Writes,
};

/// A manifest that keeps every rule. Only `parse` makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The protocol version that the port is written for.
    pub protocol: ProtocolVersion,
    /// What the port is.
    pub port: Port,
    /// The configuration keys.
    pub config: BTreeMap<ConfigKey, KeySpec>,
    /// The volumes.
    pub volumes: BTreeMap<VolumeName, Volume>,
    /// The steps between formats, by volume and lower format: each chain is whole.
    pub migrations: Vec<Migration>,
    /// What the port listens on.
    pub endpoints: BTreeMap<EndpointName, Endpoint>,
    /// The services that init runs.
    pub services: BTreeMap<ServiceName, Service>,
    /// What is run at set times.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
    /// What an operator can ask for.
    pub commands: BTreeMap<CommandName, Command>,
    /// Commands that the host runs at certain moments.
    pub hooks: Hooks,
    /// From the start to ready.
    pub ready_within: Seconds,
    /// The time between two signs of life, where the port gives any.
    pub watchdog: Option<Seconds>,
    /// From the signal to the end.
    pub stop_within: Seconds,
    /// How long a reload may take; `None` where the port can't.
    pub reload_within: Option<Seconds>,
    /// What a line of the log is.
    pub log_format: LogFormat,
    /// Whether the port writes to `/dev/log`.
    pub syslog: bool,
    /// What the port needs of the machine.
    pub resources: Resources,
    /// What the port may do beyond an ordinary process.
    pub privileges: Privileges,
    /// The versions from which one can go up to this one; `None` is every older one.
    pub upgrade_from: Option<VersionReq>,
    /// What an operator should know before going up.
    pub upgrade_notes: Vec<String>,
}

/// What the port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port's id.
    pub id: PortId,
    /// The port's own version.
    pub version: Version,
    /// A few words.
    pub title: String,
    /// One sentence; may be empty.
    pub summary: String,
    /// An SPDX expression; may be empty.
    pub license: String,
    /// Where the source is; may be empty.
    pub source: String,
    /// Who makes it.
    pub authors: Vec<String>,
}

/// A directory of the host that outlives containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Where it stands in the container: absolute, normal, below none of the places that are HomePort's.
    pub path: String,
    /// What losing it would mean.
    pub class: Class,
    /// Whether two versions may hold it at once.
    pub access: Access,
    /// When the port writes to it.
    pub writes: Writes,
    /// How its data is laid out.
    pub format: Format,
    /// The oldest format that this version works with as it is; never above `format`.
    pub min_format: Format,
    /// The owner.
    pub uid: Uid,
    /// The owner's group.
    pub gid: Gid,
    /// The directory's mode.
    pub mode: Mode,
    /// The port does not start with less.
    pub min_free_bytes: Bytes,
    /// The port does not start with fewer.
    pub min_free_inodes: Inodes,
    /// Whether it is part of a snapshot.
    pub backup: Backup,
    /// One sentence; may be empty.
    pub summary: String,
}

/// One step between two formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The volume.
    pub volume: VolumeName,
    /// The format before; the format after is one more.
    pub from: Format,
    /// Whether the step can be taken back.
    pub down: Reversible,
    /// How much space it takes, in percent of the data's size.
    pub space_percent: u32,
    /// How long it may take.
    pub within: Seconds,
    /// One sentence; may be empty.
    pub summary: String,
}

/// Whether a migration step can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reversible {
    /// The port has the step down.
    Yes,
    /// Only a snapshot leads back.
    No,
}

/// What the port listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The port number inside the container.
    pub port: PortNumber,
    /// What carries the bytes.
    pub transport: Transport,
    /// The application protocol, for example `ssh`.
    pub protocol: String,
    /// Who should reach it.
    pub exposure: Exposure,
    /// Who does the encryption.
    pub tls: Tls,
    /// How the container learns a client's address.
    pub proxy_protocol: ProxyProtocol,
    /// The public port where the operator names none.
    pub default_public: DefaultPublic,
    /// The path to ask an `http` endpoint for.
    pub http_path: Option<String>,
    /// One sentence; may be empty.
    pub summary: String,
}

/// The public port of an endpoint where the operator names none. [spec: END-4]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultPublic {
    /// There is no route unless the operator asks for one.
    None,
    /// A free one that is picked once and kept.
    Random,
    /// This one.
    Port(PortNumber),
}

/// A service that init runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Whether the port gives up when the service does.
    pub criticality: Criticality,
    /// The user id that it runs as, where the manifest says.
    pub uid: Option<Uid>,
    /// One sentence; may be empty.
    pub summary: String,
}

/// Whether a port gives up when a service does. [spec: ENT-32]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criticality {
    /// It does: exit 69.
    Critical,
    /// It goes on, degraded.
    Optional,
}

/// Something that is run at set times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Five fields; checked for their number and characters only.
    pub cron: String,
    /// The time zone's name.
    pub tz: String,
    /// The command that is run.
    pub command: CommandName,
    /// How long a run may take.
    pub within: Seconds,
    /// What happens when a run is due while the last one still goes on.
    pub overlap: Overlap,
    /// Up to how much later a run may start.
    pub jitter: Seconds,
}

/// What an operator can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// One sentence.
    pub summary: String,
    /// When it can be run.
    pub when: When,
    /// Whether nothing else may run beside it.
    pub exclusive: bool,
    /// Whether it deletes or overwrites a person's data.
    pub destructive: bool,
    /// The names of its arguments.
    pub args: Vec<String>,
    /// How long it may take.
    pub within: Seconds,
}

/// Commands that the host runs at certain moments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Before a snapshot of the running port.
    pub freeze: Option<CommandName>,
    /// After a snapshot of the running port.
    pub thaw: Option<CommandName>,
    /// After a restore, before the port runs.
    pub post_restore: Option<CommandName>,
    /// When the self-test asks the port to prove itself.
    pub selftest: Option<CommandName>,
}

/// What the port needs of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// The port does not start with less.
    pub memory_min: Option<Bytes>,
    /// The memory limit where the operator sets none.
    pub memory_limit: Bytes,
    /// The most processes.
    pub pids_max: u32,
    /// The most open files of a process.
    pub nofile: u32,
    /// The size of `/dev/shm`, where the manifest says.
    pub shm: Option<Bytes>,
}

/// What the port may do beyond an ordinary process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// Capabilities without `CAP_`; always holds SETUID, SETGID and KILL.
    pub capabilities: BTreeSet<String>,
    /// Whether the image's files can be written.
    pub root: RootFs,
    /// File systems in memory, by path.
    pub tmpfs: Vec<Tmpfs>,
    /// Devices of the host.
    pub devices: Vec<String>,
    /// Kernel settings of the container.
    pub sysctls: BTreeMap<String, String>,
}

/// Whether the image's files can be written in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootFs {
    /// They cannot.
    ReadOnly,
    /// They can; what is written is gone with the container.
    Writable,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where it stands in the container.
    pub path: String,
    /// The most that it may hold.
    pub size: Bytes,
    /// The directory's mode.
    pub mode: Mode,
}
