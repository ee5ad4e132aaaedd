//! Owns how an instance's container is made: from its manifest to the engine's description, with nothing left to defaults.
//! Pure: looks nothing up.

use std::collections::BTreeMap;
use std::path::Path;

use homeport_core::entrypoint::{ENV_INSTANCE, ENV_PHASE, ENV_PROTOCOL, ENV_SNAPSHOT, Phase, RUN_DIR};
use homeport_core::manifest::{Manifest, RootFs};
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::{Bytes, Gid, Mode, Seconds, Uid};
use homeport_core::version::PROTOCOL;
use homeport_volumes::store::SnapshotUuid;

use crate::engine::{
    self, BindMount, Capability, ContainerName, ContainerSpec, ContainerUser, EngineNameError, Entrypoint, Exec,
    Hostname, Labels, Limits, LogLimit, MountPath, MountPathError, NetworkId, NetworkMode, OpenFiles, PidLimit,
    TmpfsMount,
};
use crate::ledger::{RootId, Slot};

/// The label that says which HomePort made a container or network.
pub const LABEL_ROOT: &str = "io.homeport.root";
/// The label that says which instance a container belongs to.
pub const LABEL_INSTANCE: &str = "io.homeport.instance";
/// How much longer than the port's own limit the engine waits before it kills. [spec: ENT-33]
const STOP_MARGIN: u32 = 5;

/// Why a container cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// A name that is made from the instance's does not fit.
    #[error(transparent)]
    Name(#[from] EngineNameError),
    /// A path cannot be mounted.
    #[error(transparent)]
    Path(#[from] MountPathError),
    /// The port asks for what this version cannot give.
    #[error("the port asks for {0}, which this HomePort cannot give")]
    Unsupported(&'static str),
}

/// What a container is made from.
#[derive(Debug)]
pub struct ContainerParts<'a> {
    /// Which HomePort makes it.
    pub root: &'a RootId,
    /// The instance.
    pub instance: &'a InstanceName,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// The image, by its id.
    pub image: homeport_core::digest::Digest,
    /// The slot of the instance that it has.
    pub slot: Slot,
    /// The network that it is attached to; one that only checks or migrates has none. [spec: ENT-12]
    pub network: Option<NetworkId>,
    /// The host directory that it sees as `/run/port`.
    pub run_dir: &'a Path,
    /// The host directory of each volume: the checked one, never the operator's path.
    pub volumes: &'a BTreeMap<VolumeName, std::path::PathBuf>,
    /// Whether it may write to them.
    pub access: engine::Access,
    /// The most open files that the host allows a process.
    pub open_files_hard: u64,
    /// What it is to do.
    pub phase: &'a Phase,
    /// The snapshot that was made before; only a migration is told. [spec: ENT-5]
    pub snapshot: Option<SnapshotUuid>,
}

/// The name of an instance's container: `homeport-<instance>-<root>`, and `-b` behind it in the second slot.
pub fn container_name(root: &RootId, instance: &InstanceName, slot: Slot) -> Result<ContainerName, EngineNameError> {
    match slot {
        Slot::First => format!("homeport-{instance}-{root}").parse(),
        Slot::Second => format!("homeport-{instance}-{root}-b").parse(),
    }
}

/// Describes the container. [spec: MAN-21, MAN-22, MAN-23]
pub fn container_spec(parts: &ContainerParts<'_>) -> Result<ContainerSpec, ContainerError> {
    let manifest = parts.manifest;
    let privileges = &manifest.privileges;
    if privileges.root == RootFs::Writable {
        return Err(ContainerError::Unsupported("a writable root (`privileges.read_only_root = false`)"));
    }
    if !privileges.devices.is_empty() || !privileges.sysctls.is_empty() {
        return Err(ContainerError::Unsupported("devices or kernel settings"));
    }
    let mut binds = vec![bind(parts.run_dir, RUN_DIR, engine::Access::ReadWrite)?];
    for (name, volume) in &manifest.volumes {
        if let Some(source) = parts.volumes.get(name) {
            binds.push(bind(source, &volume.path, parts.access)?);
        }
    }
    let mut tmpfs = privileges.tmpfs.iter().map(tmpfs).collect::<Result<Vec<_>, MountPathError>>()?;
    if matches!(parts.phase, Phase::Migrate { .. }) {
        let others = manifest.volumes.iter().filter(|(name, _)| !parts.volumes.contains_key(*name));
        tmpfs.extend(others.map(|(_, volume)| stand_in(&volume.path)).collect::<Result<Vec<_>, _>>()?);
    }
    let capabilities = privileges.capabilities.iter().map(|name| name.parse::<Capability>());
    let resources = &manifest.resources;
    let mut limits = Limits::new(resources.memory_limit, PidLimit::new(resources.pids_max));
    limits.open_files = OpenFiles::new(resources.nofile).at_most(parts.open_files_hard);
    limits.logs = LogLimit::DEFAULT;
    if let Some(shm) = resources.shm {
        limits.shm = shm;
    }
    Ok(ContainerSpec {
        name: container_name(parts.root, parts.instance, parts.slot)?,
        image: parts.image,
        entrypoint: Entrypoint::OfImage,
        args: parts.phase.to_args(),
        env: environment(parts.instance, parts.phase, parts.snapshot),
        user: ContainerUser { uid: Uid::new(0), gid: Gid::new(0) },
        labels: labels(parts.root).with(LABEL_INSTANCE, parts.instance.as_str()),
        hostname: parts.instance.as_str().parse::<Hostname>()?,
        network: parts.network.clone().map_or(NetworkMode::None, NetworkMode::Attached),
        extra_hosts: Vec::new(),
        binds,
        tmpfs,
        capabilities: capabilities.collect::<Result<_, EngineNameError>>()?,
        limits,
        stop_grace: stop_grace(manifest),
    })
}

/// How long the engine gives a container to stop by itself. [spec: ENT-46]
pub fn stop_grace(manifest: &Manifest) -> Seconds {
    Seconds::new(manifest.stop_within.get().saturating_add(STOP_MARGIN))
}

/// The labels of everything that this HomePort makes in the engine.
pub fn labels(root: &RootId) -> Labels {
    Labels::new().with(LABEL_ROOT, root.to_string())
}

/// The environment of an init. Configuration is never in it: `inspect` shows an environment. [spec: ENT-7]
pub fn environment(instance: &InstanceName, phase: &Phase, snapshot: Option<SnapshotUuid>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        (ENV_PROTOCOL.to_owned(), PROTOCOL.to_string()),
        (ENV_PHASE.to_owned(), phase.name().to_owned()),
        (ENV_INSTANCE.to_owned(), instance.to_string()),
    ]);
    environment.extend(snapshot.map(|snapshot| (ENV_SNAPSHOT.to_owned(), snapshot.to_string())));
    environment
}

fn bind(source: &Path, target: &str, access: engine::Access) -> Result<BindMount, MountPathError> {
    Ok(BindMount { source: MountPath::try_from(source)?, target: target.parse()?, access })
}

/// An empty directory where a migration does not see a volume: an image may want one of the engine there, which would be made and
/// stay. What a step writes there by mistake fails, and is not lost without a word. [spec: UPG-45]
fn stand_in(target: &str) -> Result<TmpfsMount, MountPathError> {
    Ok(TmpfsMount {
        target: target.parse()?,
        size: Bytes::new(64 << 10),
        mode: Mode::new(0o755),
        uid: Uid::new(0),
        gid: Gid::new(0),
        exec: Exec::Refused,
        access: engine::Access::ReadOnly,
    })
}

fn tmpfs(tmpfs: &homeport_core::manifest::Tmpfs) -> Result<TmpfsMount, MountPathError> {
    Ok(TmpfsMount {
        target: tmpfs.path.parse()?,
        size: tmpfs.size,
        mode: tmpfs.mode,
        uid: Uid::new(0),
        gid: Gid::new(0),
        exec: Exec::Refused,
        access: engine::Access::ReadWrite,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(more: &str) -> Manifest {
        let text = format!(
            r#"{{"protocol":"1.0","port":{{"id":"test","version":"1.0.0","title":"T"}},
            "volumes":{{"home":{{"path":"/data","format":1,"uid":7,"gid":8,"mode":"0700"}}}},
            "stop":{{"timeout_seconds":20}},
            "resources":{{"memory_min_bytes":33554432,"memory_recommended_bytes":67108864,"pids_max":99,"nofile":5000}}
            {more}}}"#
        );
        homeport_core::manifest::parse(text.as_bytes()).unwrap()
    }

    fn spec(manifest: &Manifest) -> Result<ContainerSpec, ContainerError> {
        spec_for(manifest, &Phase::Run, &["home"])
    }

    fn spec_for(manifest: &Manifest, phase: &Phase, volumes: &[&str]) -> Result<ContainerSpec, ContainerError> {
        let given = |name: &&str| (name.parse().unwrap(), "/run/homeport/mnt/u".into());
        container_spec(&ContainerParts {
            root: &"0a1b2c3d".parse().unwrap(),
            instance: &"alice".parse().unwrap(),
            manifest,
            image: homeport_core::digest::Digest::new([1; 32]),
            slot: Slot::First,
            network: Some("e".repeat(64).parse().unwrap()),
            access: engine::Access::ReadWrite,
            snapshot: None,
            run_dir: Path::new("/run/homeport/instances/alice/port"),
            volumes: &volumes.iter().map(given).collect(),
            open_files_hard: 4096,
            phase,
        })
    }

    #[test]
    fn an_init_is_told_protocol_phase_and_instance_and_nothing_of_its_configuration() {
        let spec = spec(&manifest(r#","config":{"motd":{"type":"string","default":"hello"}}"#)).unwrap();
        let env: Vec<_> = spec.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(env, [("HOMEPORT_INSTANCE", "alice"), ("HOMEPORT_PHASE", "run"), ("HOMEPORT_PROTOCOL", "1.0")]);
        assert_eq!((spec.entrypoint, spec.args), (Entrypoint::OfImage, vec!["run".to_owned()]));
    }

    #[test]
    fn a_container_sees_its_own_directory_and_its_volumes_and_no_more() {
        let tmpfs = r#","privileges":{"tmpfs":[{"path":"/tmp","size_bytes":65536}]}"#;
        let spec = spec(&manifest(tmpfs)).unwrap();
        let binds: Vec<_> =
            spec.binds.iter().map(|bind| (bind.source.to_string(), bind.target.to_string(), bind.access)).collect();
        let own = ("/run/homeport/instances/alice/port".to_owned(), "/run/port".to_owned(), engine::Access::ReadWrite);
        let home = ("/run/homeport/mnt/u".to_owned(), "/data".to_owned(), engine::Access::ReadWrite);
        assert_eq!(binds, [own, home]);
        let tmpfs: Vec<_> = spec.tmpfs.iter().map(|tmpfs| (tmpfs.target.to_string(), tmpfs.size.get())).collect();
        assert_eq!(tmpfs, [("/tmp".to_owned(), 65536)]);
    }

    /// The image may declare a volume of the engine wherever the port has one. Elsewhere a volume that is missing is a fault,
    /// and nothing takes its place.
    #[test]
    fn a_migration_finds_nothing_to_write_to_where_it_does_not_see_a_volume() {
        let text = r#"{"protocol":"1.0","port":{"id":"test","version":"1.0.0","title":"T"},"volumes":{
            "home":{"path":"/data","format":2,"uid":7,"gid":8,"mode":"0700"},
            "keys":{"path":"/keys","format":1,"uid":0,"gid":0,"mode":"0700"}},
            "migrations":[{"volume":"home","from":1,"to":2,"down":false}]}"#;
        let manifest = homeport_core::manifest::parse(text.as_bytes()).unwrap();
        let declared = ["/data".to_owned(), "/keys/".to_owned()];
        let (from, to) = (homeport_core::unit::Format::new(1), homeport_core::unit::Format::new(2));
        let migrate = Phase::Migrate { volume: "home".parse().unwrap(), from, to };
        let spec = spec_for(&manifest, &migrate, &["home"]).unwrap();
        assert_eq!(spec.check(&declared), []);
        let targets: Vec<_> = spec.tmpfs.iter().map(|tmpfs| (tmpfs.target.to_string(), tmpfs.access)).collect();
        assert_eq!(targets, [("/keys".to_owned(), engine::Access::ReadOnly)], "what is written there fails");
        let spec = spec_for(&manifest, &Phase::Run, &["home"]).unwrap();
        assert_eq!(spec.check(&declared).iter().map(|fault| fault.code).collect::<Vec<_>>(), ["HP-ENG-204"]);
    }

    #[test]
    fn limits_and_time_to_stop_are_the_manifests() {
        let spec = spec(&manifest("")).unwrap();
        assert_eq!(spec.stop_grace, Seconds::new(25), "5 s more than the port's own limit");
        assert_eq!(spec.limits.memory.get(), 67_108_864);
        assert_eq!(spec.limits.pids, PidLimit::new(99));
        assert_eq!(spec.limits.open_files.get(), 4096, "no more than the host allows");
    }

    #[test]
    fn what_cannot_be_given_is_said() {
        for privileges in [
            r#""read_only_root":false"#,
            r#""devices":["/dev/fuse"]"#,
            r#""sysctls":{"net.ipv4.ip_unprivileged_port_start":"0"}"#,
        ] {
            let found = spec(&manifest(&format!(r#","privileges":{{{privileges}}}"#)));
            assert!(matches!(found, Err(ContainerError::Unsupported(_))), "{privileges}: {found:?}");
        }
    }
}
