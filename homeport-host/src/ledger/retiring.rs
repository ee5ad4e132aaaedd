//! Owns what the ledger remembers of containers that only finish what they began: the clients that they had when another
//! version took over. Never says whether one still runs.

use homeport_core::name::InstanceName;
use homeport_core::unit::Seconds;
use homeport_volumes::TxId;

use super::instance::Slot;
use super::time::Time;
use crate::engine::ContainerId;

/// A container whose version was replaced while clients were connected with it. It gets no new ones, and is stopped when
/// the last one leaves, or at `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiringRecord {
    /// The container.
    pub container: ContainerId,
    /// Its instance.
    pub instance: InstanceName,
    /// Its slot, which no other container gets meanwhile.
    pub slot: Slot,
    /// The version that runs in it.
    pub version: semver::Version,
    /// How long it has to stop by itself.
    pub grace: Seconds,
    /// The change that replaced it, as the trash knows it.
    pub bundle: TxId,
    /// Since when it gets no new clients.
    pub since: Time,
    /// When it is stopped at the latest.
    pub until: Time,
}
