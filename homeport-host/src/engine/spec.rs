//! Owns the description of one container. Never has a field for what no port may have: published ports, privileges,
//! devices, a namespace of the host, a writable root, a volume of the engine, a restart policy of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use homeport_core::digest::Digest;
use homeport_core::fault::Fault;
use homeport_core::unit::{Gid, Seconds, Uid};

use super::label::Labels;
use super::limit::Limits;
use super::mount::{BindMount, MountPath, TmpfsMount};
use super::name::{Capability, ContainerName, Hostname, NetworkId};

/// What runs as the first process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrypoint {
    /// The image's own.
    OfImage,
    /// This program with these first arguments instead.
    Exactly(Vec<String>),
}

/// What a container is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// Its own loopback only.
    None,
    /// One network, by id: names can be ambiguous on Docker 20.10.
    Attached(NetworkId),
}

/// Whom the first process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerUser {
    /// Its user.
    pub uid: Uid,
    /// Its only group.
    pub gid: Gid,
}

impl ContainerUser {
    /// Root of the container, bounded by the capabilities that it is given.
    pub const ROOT: Self = Self { uid: Uid::new(0), gid: Gid::new(0) };
}

/// An address that a container knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAddress {
    /// The host's side of the container's network.
    Gateway,
    /// This address.
    Ip(IpAddr),
}

/// A line in the container's `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: Hostname,
    /// What it stands for.
    pub address: HostAddress,
}

/// One hardened container.
///
/// Whatever is written here, the container has a read-only root, no new privileges, no capability but the listed ones,
/// the engine's seccomp profile, no swap, no health probe of the image, no init but its own first process, SIGTERM as its
/// stop signal, and is started by nobody but HomePort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name; the engine refuses a second of the same name.
    pub name: ContainerName,
    /// The very image.
    pub image: Digest,
    /// The first process.
    pub entrypoint: Entrypoint,
    /// Arguments after the entrypoint, in place of the image's own.
    pub args: Vec<String>,
    /// Environment beside the image's. Everybody who can inspect sees it: never a secret, never configuration.
    pub env: BTreeMap<String, String>,
    /// Whom the first process runs as.
    pub user: ContainerUser,
    /// Labels by which it is found again.
    pub labels: Labels,
    /// What it calls itself.
    pub hostname: Hostname,
    /// What it is connected to.
    pub network: NetworkMode,
    /// Names in its `/etc/hosts`.
    pub extra_hosts: Vec<ExtraHost>,
    /// Directories and files of the host.
    pub binds: Vec<BindMount>,
    /// Memory as directories.
    pub tmpfs: Vec<TmpfsMount>,
    /// What it keeps of root's powers.
    pub capabilities: BTreeSet<Capability>,
    /// Its limits.
    pub limits: Limits,
    /// How long the engine gives it to stop where nobody says how long, at the engine's own shutdown for example.
    pub stop_grace: Seconds,
}

impl ContainerSpec {
    /// As little as a container can be, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) fn least(name: ContainerName, image: Digest) -> Self {
        use super::limit::PidLimit;
        use homeport_core::unit::Bytes;

        Self {
            name,
            image,
            entrypoint: Entrypoint::OfImage,
            args: Vec::new(),
            env: BTreeMap::new(),
            user: ContainerUser::ROOT,
            labels: Labels::new(),
            hostname: "x".parse().unwrap(),
            network: NetworkMode::None,
            extra_hosts: Vec::new(),
            binds: Vec::new(),
            tmpfs: Vec::new(),
            capabilities: BTreeSet::new(),
            limits: Limits::new(Bytes::new(64 << 20), PidLimit::new(64)),
            stop_grace: Seconds::new(5),
        }
    }

    /// What is wrong with this description by itself; empty where nothing is. No engine makes a container of one with
    /// faults: Docker 20.10 takes a directory and a tmpfs at the same place, and one of them hides the other (measured).
    ///
    /// `declared` are the paths for which the image wants a volume: one at which nothing is mounted would become a nameless
    /// volume of the engine, and what is written there would be lost with the container.
    pub fn check(&self, declared: &[String]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        let targets = self.binds.iter().map(|bind| &bind.target).chain(self.tmpfs.iter().map(|tmpfs| &tmpfs.target));
        for target in targets {
            if !seen.insert(target) {
                let message = format!("`{target}` is mounted twice");
                faults.push(Fault::new("HP-ENG-201", format!("container.mounts.{target}"), message));
            }
        }
        if matches!(&self.entrypoint, Entrypoint::Exactly(words) if words.is_empty()) {
            let message = "the container has no program";
            faults.push(Fault::new("HP-ENG-202", "container.entrypoint", message));
        }
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                let message = format!("`{key}` cannot be an environment variable");
                faults.push(
                    Fault::new("HP-ENG-203", format!("container.env.{key}"), message)
                        .expected("a key without `=`, and no zero byte in key or value"),
                );
            }
        }
        for path in declared {
            let is_covered = |target: &MountPath| target.as_str() == path.trim_end_matches('/');
            if !seen.iter().any(|target| is_covered(target)) {
                faults.push(
                    Fault::new(
                        "HP-ENG-204",
                        format!("container.mounts.{path}"),
                        "the image declares a volume that nothing is mounted at",
                    )
                    .actual(format!("`VOLUME {path}`"))
                    .remedy("declare the path as a volume or a tmpfs of the port, or build the image without it"),
                );
            }
        }
        faults
    }
}
