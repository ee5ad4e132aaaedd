//! Owns the steps of operations as values: what a journal holds, so that each can be undone by whoever comes after a crash.
//! Never carries a step out, and never holds a secret: the journal is not the place for one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use homeport_core::name::{CommandName, EndpointName, VolumeName};
use homeport_core::unit::{Format, PortNumber, Seconds};
use homeport_router::ListenHost;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::{TxId, VolumeUuid};
use serde::{Deserialize, Serialize};

use crate::engine::ContainerId;
use crate::ledger::{HasData, Slot, Time};
use crate::request::DeviceNodes;

const fn with_care() -> HasData {
    HasData::Yes
}

/// One step. Every step can be repeated and can be undone more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Makes a volume that was never there. Undone only where nothing is in it: data is never removed.
    MakeVolume {
        /// The volume.
        volume: VolumeName,
        /// Where.
        path: PathBuf,
        /// Its identity.
        uuid: VolumeUuid,
        /// Owner, group and mode that the operator's directory had; `None` where the place is HomePort's own.
        before: Option<(u32, u32, u32)>,
    },
    /// Writes the instance, its configuration and volumes to the ledger.
    Record,
    /// Writes other configuration to the ledger. Always the last step: nothing has to take it back.
    Reconfigure,
    /// Makes the network of this HomePort, where it is missing.
    EnsureNetwork,
    /// Binds the public address of an endpoint.
    ReserveRoute {
        /// The endpoint.
        endpoint: EndpointName,
        /// The addresses of the host.
        host: ListenHostText,
        /// The ports that will do, the best first.
        ports: Vec<PortNumber>,
    },
    /// Lets the clients of every route wait.
    HoldRoutes,
    /// Turns the clients of every route away.
    CloseRoutes,
    /// Stops the container, where it runs.
    StopContainer {
        /// How long it may take by itself.
        grace: Seconds,
    },
    /// Removes a container that is stopped, with its logs.
    RemoveOldContainer,
    /// Writes what the container finds in `/run/port`.
    PrepareRunDir,
    /// Takes the volumes into use: their generation goes up, and what was checked is mounted for the engine.
    UseVolumes,
    /// Makes the container.
    CreateContainer,
    /// Starts the container, and checks that it sees what was checked.
    StartContainer,
    /// Waits until the port says that it is ready.
    AwaitReady {
        /// How long it may take.
        within: Seconds,
    },
    /// Leads a route to the container.
    PointRoute {
        /// The endpoint.
        endpoint: EndpointName,
    },
    /// Proves that the public address answers.
    ProbeRoute {
        /// The endpoint.
        endpoint: EndpointName,
    },
    /// Notes that the instance is to run.
    WantRunning,
    /// Notes that the instance is not to run.
    WantStopped,
    /// Lets go of the volumes' mounts; their data stays where it is.
    ReleaseVolumes,
    /// Removes what was in `/run/port`.
    RemoveRunDir,
    /// Gives the public addresses up.
    ReleaseRoutes,
    /// Removes the network and the place of mounts, where nothing of this HomePort needs them any more.
    RemoveNetwork,
    /// Takes the instance out of the ledger; its volumes stay, and stay known.
    Forget,
    /// Reads what these volumes hold into the store while the port still writes to them, so that the snapshot after the stop
    /// has only to read what changed since. Leaves objects that a later snapshot uses, and nothing that refers to them.
    ReadAhead {
        /// The volumes.
        volumes: Vec<VolumeName>,
    },
    /// Makes a snapshot of what these volumes hold now. Stays when the rest is taken back: it harms nothing. [spec: STO-32]
    SnapshotPresent {
        /// The volumes.
        volumes: Vec<VolumeName>,
        /// Whether the port writes to them meanwhile.
        #[serde(default)]
        port: Writing,
    },
    /// Builds what a volume was in a snapshot beside what it is, and compares every byte of it. [spec: STO-31]
    BuildTree {
        /// The volume.
        volume: VolumeName,
        /// Its identity.
        uuid: VolumeUuid,
        /// Names the tree.
        tx: TxId,
        /// The snapshot.
        snapshot: SnapshotUuid,
        /// What becomes of device nodes.
        devices: DeviceNodes,
    },
    /// Takes a tree that an exchange took out back out of the trash, beside what the volume is.
    StageTrashed {
        /// The volume.
        volume: VolumeName,
        /// Its identity.
        uuid: VolumeUuid,
        /// Names the tree from now on.
        tx: TxId,
        /// What named it in the trash.
        trashed: TxId,
    },
    /// Puts the staged tree in the place of the live one, in one step.
    ExchangeTree {
        /// The volume.
        volume: VolumeName,
        /// Its identity.
        uuid: VolumeUuid,
        /// Names the staged tree.
        tx: TxId,
        /// The command that takes the live tree out, as the trash knows it.
        bundle: TxId,
        /// Whether the live tree's volume was known to have held something: it is known so again where this is taken back,
        /// whatever is left in that tree. Journals from before it was written down are taken back with care.
        #[serde(default = "with_care")]
        had: HasData,
    },
    /// Runs the port's own command for the time after a restore, in a container of its own. [spec: MAN-29]
    PostRestore {
        /// The command.
        command: CommandName,
        /// How long it may take.
        within: Seconds,
    },
    /// Notes which trees were taken out, and begins to put them away. Always the last step.
    KeepReplaced,
    /// Puts a tree that was taken out into the trash.
    SettleTree {
        /// The volume.
        volume: VolumeName,
        /// Its identity.
        uuid: VolumeUuid,
        /// Names the exchange.
        tx: TxId,
    },
    /// Puts a volume into the trash, whole.
    PurgeVolume(PurgedVolume),
    /// Gives these volumes up, and their instance where it is there. Always the last step.
    ForgetPurged {
        /// The command, as the trash knows it.
        bundle: TxId,
        /// The volumes, which are in the trash.
        volumes: Vec<PurgedVolume>,
        /// The volumes of which nothing was left in their place: they are forgotten, and nothing is deleted.
        #[serde(default)]
        lost: Vec<VolumeUuid>,
    },
    /// Takes a purged volume out of the trash, back to its place.
    PutBackVolume(TrashedTree),
    /// Notes that these volumes are there again. Always the last step.
    RecordPutBack {
        /// The volumes.
        trees: Vec<TrashedTree>,
    },
    /// Deletes a tree in the trash.
    EmptyTree(TrashedTree),
    /// Notes that these are not in the trash any more. Always the last step.
    ForgetTrash {
        /// The trees.
        trees: Vec<TrashedTree>,
    },
    /// Makes a plain directory a volume. No file in it is changed.
    AdoptDirectory(AdoptedDirectory),
    /// Lets a volume say something else about itself, and be where it is to be.
    ChangeVolume(ChangedVolume),
    /// Writes the volume to the ledger. Always the last step.
    RecordVolume,
    /// Forgets how an adoption could be taken back.
    SettleAdoption(AdoptedDirectory),
    /// Goes on with another slot of the instance: the container in the present one stays as it is.
    TakeSlot {
        /// The slot.
        slot: Slot,
        /// What becomes of clients until the container in it is ready.
        clients: Clients,
    },
    /// Has the port look at its configuration and its volumes, which it can only read, and say everything that is wrong.
    /// [spec: ENT-12]
    CheckPort(CheckedPort),
    /// Builds a copy of a volume from the snapshot that this operation made, and compares every byte of it. [spec: STO-31]
    CopyTree {
        /// The volume.
        volume: VolumeName,
        /// Its identity.
        uuid: VolumeUuid,
        /// Names the copy.
        tx: TxId,
    },
    /// Has the port take a copy from one format to the next.
    MigrateTree(MigratedTree),
    /// Stops this container.
    QuitContainer {
        /// The container.
        container: ContainerId,
        /// How long it may take by itself.
        grace: Seconds,
    },
    /// Looks whether the port goes on working.
    Soak {
        /// For how long.
        within: Seconds,
    },
    /// Writes down that the instance has this version from now on. Always the last step.
    TakeOver {
        /// The change, as the trash knows it.
        bundle: TxId,
        /// How long clients of the container from before may stay; `None` where it has ended.
        linger: Option<Seconds>,
    },
    /// Gives the public address of one endpoint up, which the version that took over does not have.
    ReleaseRoute {
        /// The endpoint.
        endpoint: EndpointName,
    },
    /// Turns new clients of one endpoint away, which the version that took over does not have. The version from before goes
    /// on with those that it has, and the address is given up with its container.
    CloseRoute {
        /// The endpoint.
        endpoint: EndpointName,
    },
    /// Ends a container that only finished what it began, and takes it, its `/run/port` and the public addresses away that
    /// only it had.
    RetireContainer {
        /// The container.
        container: ContainerId,
        /// Its slot.
        slot: Slot,
        /// How long it may take by itself.
        grace: Seconds,
        /// The change that replaced it.
        bundle: TxId,
    },
}

/// What becomes of clients until another version is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clients {
    /// The version from before serves them.
    Served,
    /// They wait.
    Wait,
}

/// What a port is shown when it is asked whether everything is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedPort {
    /// The copies that stand in for volumes.
    pub copies: BTreeMap<VolumeName, (VolumeUuid, TxId)>,
    /// The volumes that are still to be migrated: that they have another format is no fault.
    pub awaited: BTreeSet<VolumeName>,
    /// How long it may take.
    pub within: Seconds,
}

/// One step of a migration of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigratedTree {
    /// The volume.
    pub volume: VolumeName,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Names the copy.
    pub tx: TxId,
    /// The format that the copy has.
    pub from: Format,
    /// The format that it gets: one above or one below.
    pub to: Format,
    /// Whose step it is.
    pub by: Migrator,
    /// How long it may take.
    pub within: Seconds,
}

/// Whose steps take data from one format to another. [spec: UPG-20, UPG-24]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Migrator {
    /// The version that is to be: the way up.
    Next,
    /// The version that there is: the way down.
    Present,
}

/// A plain directory on its way to be a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedDirectory {
    /// The volume that it is to be.
    pub volume: VolumeName,
    /// The directory.
    pub path: PathBuf,
    /// The identity that it gets.
    pub uuid: VolumeUuid,
    /// Names the adoption.
    pub tx: TxId,
}

/// A volume that says something else about itself from now on, at the same place or another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedVolume {
    /// The volume.
    pub volume: VolumeName,
    /// Where it was.
    pub from: PathBuf,
    /// Where it is to be.
    pub to: PathBuf,
    /// Whether it is renamed, or is there already.
    pub way: ChangeWay,
    /// What its marker said, byte by byte.
    pub found: String,
    /// What it is to say.
    pub becomes: String,
}

/// Whether the port writes to its volumes while they are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writing {
    /// It was stopped before.
    #[default]
    Stopped,
    /// It goes on.
    GoesOn,
}

/// How a volume comes to where it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeWay {
    /// It is there.
    Found,
    /// It is renamed.
    Rename,
}

/// A volume on its way into the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedVolume {
    /// The volume.
    pub volume: VolumeName,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Names it in the trash.
    pub tx: TxId,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: u64,
    /// Since when it is in the trash.
    pub since: Time,
    /// Until when it is kept at least.
    pub until: Time,
}

/// A tree that is in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashedTree {
    /// The volume.
    pub volume: VolumeName,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Names it in the trash.
    pub tx: TxId,
    /// The volume's directory.
    pub path: PathBuf,
    /// Which trash it is in.
    pub home: TrashHome,
}

/// Which trash a tree is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrashHome {
    /// The one in HomePort's data directory.
    DataRoot,
    /// The one in the volume's own directory.
    Volume,
}

/// An address to listen on as the journal writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenHostText(pub ListenHost);

impl Serialize for ListenHostText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ListenHostText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address: Result<homeport_router::ListenAddress, _> = format!("{text}:1").parse();
        address.map(|address| Self(address.host())).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_of_an_older_journal_is_taken_back_as_one_of_data() {
        let (uuid, tx) = (VolumeUuid::random(), TxId::random());
        let step = Step::ExchangeTree { volume: "home".parse().unwrap(), uuid, tx, bundle: tx, had: HasData::No };
        let mut journal = serde_json::to_value(&step).unwrap();
        assert_eq!(serde_json::from_value::<Step>(journal.clone()).unwrap(), step);
        journal.as_object_mut().unwrap().remove("had").unwrap();
        let older = serde_json::from_value::<Step>(journal).unwrap();
        assert!(matches!(older, Step::ExchangeTree { had: HasData::Yes, .. }), "{older:?}");
    }
}
