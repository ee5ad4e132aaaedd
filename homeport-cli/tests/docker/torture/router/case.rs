//! Owns what is done to a route while clients come, and what may come of it. Decides; never does it.

use super::port::Access;

/// One thing that is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Another version is ready before it gets the clients: `upgrade` and `rollback` of a shared volume.
    Switch,
    /// The container is stopped before the next one starts: `restart` of an exclusive volume.
    Hold,
    /// The engine is told to kill the container; the daemon starts the instance again.
    ContainerKilled,
    /// The engine is told to restart the container.
    ContainerRestarted,
    /// `homeport daemon restart`.
    DaemonRestarted,
    /// The daemon is killed; what holds its sockets starts it again.
    DaemonKilled,
    /// The table of the nftables backend is deleted.
    TableDeleted,
    /// The haproxy of the haproxy backend gets another configuration.
    ProxyReloaded,
    /// The haproxy of the haproxy backend is killed.
    ProxyKilled,
}

/// What carries the bytes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Builtin,
    Nftables,
    Haproxy,
}

impl Backend {
    pub(super) const ALL: [Self; 3] = [Self::Builtin, Self::Nftables, Self::Haproxy];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Nftables => "nftables",
            Self::Haproxy => "haproxy",
        }
    }

    pub(super) fn of(word: &str) -> Self {
        let found = Self::ALL.into_iter().find(|backend| backend.word() == word);
        found.unwrap_or_else(|| panic!("no backend of a route: `{word}`"))
    }

    /// What is done where this one carries the bytes.
    pub(super) fn cases(self) -> Vec<Case> {
        let always = [
            Case::ContainerKilled,
            Case::ContainerRestarted,
            Case::Switch,
            Case::Hold,
            Case::DaemonRestarted,
            Case::DaemonKilled,
        ];
        let own: &[Case] = match self {
            Self::Builtin => &[],
            Self::Nftables => &[Case::TableDeleted],
            Self::Haproxy => &[Case::ProxyReloaded, Case::ProxyKilled],
        };
        always.iter().chain(own).copied().collect()
    }
}

/// How often everything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// As often as it takes to believe it.
    Full,
    /// A few times.
    Few,
}

impl Case {
    /// How often it is done.
    pub(super) const fn times(self, extent: Extent) -> u32 {
        match (self, extent) {
            (Self::Switch | Self::Hold, Extent::Full) => 20,
            (Self::DaemonRestarted, Extent::Full) => 10,
            (Self::DaemonKilled | Self::ProxyKilled, Extent::Full) => 4,
            (Self::ContainerKilled | Self::ContainerRestarted, Extent::Full) => 5,
            (Self::TableDeleted | Self::ProxyReloaded, Extent::Full) => 6,
            (Self::ContainerKilled | Self::ContainerRestarted | Self::DaemonKilled, Extent::Few) => 1,
            (_, Extent::Few) => 2,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Hold => "hold",
            Self::ContainerKilled => "container_killed",
            Self::ContainerRestarted => "container_restarted",
            Self::DaemonRestarted => "daemon_restarted",
            Self::DaemonKilled => "daemon_killed",
            Self::TableDeleted => "table_deleted",
            Self::ProxyReloaded => "proxy_reloaded",
            Self::ProxyKilled => "proxy_killed",
        }
    }

    /// Which of the instances it is done to.
    pub(super) const fn access(self) -> Access {
        match self {
            Self::Switch => Access::Shared,
            _ => Access::Exclusive,
        }
    }

    /// Whether connections that were on their way may fail: what had them is killed.
    pub(super) const fn kills(self) -> bool {
        matches!(self, Self::ContainerKilled | Self::ContainerRestarted | Self::DaemonKilled | Self::ProxyKilled)
    }

    /// Whether long connections may break though their container lives: what carries their bytes is killed.
    pub(super) fn breaks_long(self, backend: Backend) -> bool {
        match self {
            Self::DaemonKilled => backend == Backend::Builtin,
            Self::ProxyKilled => true,
            _ => false,
        }
    }
}
