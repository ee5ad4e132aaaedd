//! Owns every path that HomePort uses on the host, all from one root. Never opens what is at them.
//!
//! ```text
//! STATE/                     0700; ledger and lock
//!   ledger.sqlite  lock  daemon.log
//!   room                       set aside while a change of version goes on, as in RUN/ and in its volumes
//!   ledger.sqlite.schema-N     the ledger before it was brought up to date
//! STORE/                     0700; the store of snapshots, made with the first one
//! SCRATCH/                   0700; where restores are rehearsed, empty otherwise
//! DATA/                      0755; volumes at default places
//!   <instance>/<volume>/
//! RUN/                       0755; gone after a reboot
//!   mnt/<uuid>               what volumes are bound to, so that the engine never gets an operator's path
//!   instances/<name>/port/   mounted at /run/port in the container; `b` in the second one, during an upgrade
//!   frozen/<name>.<id>       0700; notes of the containers that stand still while they are read
//!   daemon.sock  daemon.pid  holder.sock
//!   way-back                   there while packets of containers to their clients may be led to the router
//!   drain/PID.sock             0700; daemons whose place was taken, for as long as they have connections
//!   haproxy/<route>/           0700; the haproxies in front of a route, by the first half of a digest of its name
//! ```

mod error;
mod prepare;

pub use error::LayoutError;
pub use prepare::Prepared;
pub(crate) use prepare::prepare_private;

use std::path::{Component, Path, PathBuf};

use homeport_core::entrypoint;
use homeport_core::name::{InstanceName, VolumeName};

use crate::engine::ContainerId;
use crate::ledger::Slot;

/// What the kernel takes as the name of a socket: `sun_path` less its final zero.
const MAX_SOCKET_BYTES: usize = 107;
/// The longest instance name, in bytes.
const MAX_INSTANCE_BYTES: usize = 40;

/// Every path of one HomePort. Two with different roots share nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: Option<PathBuf>,
    state: PathBuf,
    store: PathBuf,
    scratch: PathBuf,
    data: PathBuf,
    run: PathBuf,
}

impl Layout {
    /// The places of the machine's own HomePort: `/var/lib/homeport` and `/run/homeport`.
    pub fn system() -> Self {
        Self {
            root: None,
            state: PathBuf::from("/var/lib/homeport/state"),
            store: PathBuf::from("/var/lib/homeport/store"),
            scratch: PathBuf::from("/var/lib/homeport/scratch"),
            data: PathBuf::from("/var/lib/homeport/data"),
            run: PathBuf::from("/run/homeport"),
        }
    }

    /// Places below one directory: `state`, `store`, `scratch`, `data` and `run`. Nothing outside of it is used.
    ///
    /// # Errors
    /// A root that is not absolute and normal, or so long that the name of a socket below it, with the longest name of
    /// an instance, would not fit into the 107 bytes that the kernel has for it.
    pub fn under(root: &Path) -> Result<Self, LayoutError> {
        let normal = root.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let text = root.to_str().filter(|text| !text.chars().any(char::is_control));
        if text.is_none() || !root.is_absolute() || !normal {
            return Err(LayoutError::Root { root: root.to_owned() });
        }
        let layout = Self {
            root: Some(root.to_owned()),
            state: root.join("state"),
            store: root.join("store"),
            scratch: root.join("scratch"),
            data: root.join("data"),
            run: root.join("run"),
        };
        let found = layout.longest_socket();
        if found > MAX_SOCKET_BYTES {
            return Err(LayoutError::TooLong { root: root.to_owned(), found, max: MAX_SOCKET_BYTES });
        }
        Ok(layout)
    }

    /// That the root is there, where one was given: for what must not make one. The machine's own places may be missing: before
    /// the first deploy there is simply nothing.
    ///
    /// # Errors
    /// `Missing`. A root that cannot be looked at for another reason is left for whatever uses it to complain of.
    pub fn expect_root(&self) -> Result<(), LayoutError> {
        match &self.root {
            Some(root) if std::fs::metadata(root).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) => {
                Err(LayoutError::Missing { root: root.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The arguments that make another `homeport` work with the same places.
    pub fn root_arguments(&self) -> Vec<std::ffi::OsString> {
        self.root.as_ref().map_or_else(Vec::new, |root| vec!["--root".into(), root.clone().into_os_string()])
    }

    /// What must outlive everything: ledger and lock.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The ledger. SQLite keeps `-wal` and `-shm` beside it.
    pub fn ledger_file(&self) -> PathBuf {
        self.state.join("ledger.sqlite")
    }

    /// The file that is locked while an operation goes on.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// What the daemon wrote.
    pub fn daemon_log(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// Where the store of snapshots is made with the first snapshot. The ledger remembers which one it is.
    pub fn store_dir(&self) -> &Path {
        &self.store
    }

    /// Where restores are rehearsed. Nothing in it is anybody's only copy.
    pub fn scratch_dir(&self) -> &Path {
        &self.scratch
    }

    /// Where volumes are for which the operator named no directory.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The directory of a volume for which the operator named none.
    pub fn volume_dir(&self, instance: &InstanceName, volume: &VolumeName) -> PathBuf {
        self.data.join(instance.as_str()).join(volume.as_str())
    }

    /// What may be gone after a reboot.
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// Below this, volumes are bound by their uuid.
    pub fn mounts_dir(&self) -> PathBuf {
        self.run.join("mnt")
    }

    /// The directory that is mounted at `/run/port` in the instance's container in this slot.
    pub fn instance_run_dir(&self, instance: &InstanceName, slot: Slot) -> PathBuf {
        self.run.join("instances").join(instance.as_str()).join(port_dir(slot))
    }

    /// Where the containers are noted that stand still while a snapshot of them is taken.
    pub fn frozen_dir(&self) -> PathBuf {
        self.run.join("frozen")
    }

    /// The note that this container of the instance may stand still.
    pub fn frozen_note(&self, instance: &InstanceName, container: &ContainerId) -> PathBuf {
        self.frozen_dir().join(format!("{instance}.{}", container.as_str()))
    }

    /// The note of an older HomePort, which had one for each instance.
    pub fn older_frozen_note(&self, instance: &InstanceName) -> PathBuf {
        self.frozen_dir().join(instance.as_str())
    }

    /// The socket to which the instance's init says that it is ready. [spec: ENT-9]
    pub fn notify_socket(&self, instance: &InstanceName, slot: Slot) -> PathBuf {
        self.instance_run_dir(instance, slot).join(notify_name())
    }

    /// The socket on which the daemon takes requests.
    pub fn control_socket(&self) -> PathBuf {
        self.run.join("daemon.sock")
    }

    /// The file that is there while the kernel may lead packets of containers to the router.
    pub fn way_back_file(&self) -> PathBuf {
        self.run.join("way-back")
    }

    /// The file that names the daemon's process.
    pub fn daemon_pid_file(&self) -> PathBuf {
        self.run.join("daemon.pid")
    }

    /// The socket on which the holder gives its sockets to daemons.
    pub fn holder_socket(&self) -> PathBuf {
        self.run.join("holder.sock")
    }

    /// Where daemons whose place was taken have their sockets.
    pub fn drain_dir(&self) -> PathBuf {
        self.run.join("drain")
    }

    /// Below this, each route with a haproxy in front of it has a directory for it.
    pub fn haproxy_dir(&self) -> PathBuf {
        self.run.join("haproxy")
    }

    /// The socket of a daemon of this process id whose place was taken.
    pub fn drain_socket(&self, pid: u32) -> PathBuf {
        self.drain_dir().join(format!("{pid}.sock"))
    }

    /// The bytes of the longest name that a socket can have.
    fn longest_socket(&self) -> usize {
        let instance = self.run.join("instances").join("i".repeat(MAX_INSTANCE_BYTES));
        [Slot::First, Slot::Second]
            .map(|slot| instance.join(port_dir(slot)).join(notify_name()))
            .iter()
            .chain([&self.control_socket(), &self.holder_socket(), &self.drain_socket(u32::MAX)])
            .map(|socket| socket.as_os_str().len())
            .max()
            .unwrap_or_default()
    }
}

/// The name that the notify socket has in the directory that is mounted at `/run/port`.
fn notify_name() -> &'static str {
    entrypoint::NOTIFY_SOCKET.rsplit('/').next().unwrap_or_default()
}

/// The directory of a slot.
const fn port_dir(slot: Slot) -> &'static str {
    match slot {
        Slot::First => "port",
        // Short: the name of a socket below it has little room.
        Slot::Second => "b",
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::fault::Advice as _;

    use super::*;

    #[test]
    fn every_path_is_below_the_root() {
        let layout = Layout::under(Path::new("/srv/hp")).unwrap();
        let (alice, home) = ("alice".parse().unwrap(), "home".parse().unwrap());
        let container: ContainerId = "a1".repeat(32).parse().unwrap();
        let note = format!("/srv/hp/run/frozen/alice.{}", "a1".repeat(32));
        let rows = [
            (layout.state_dir().to_owned(), "/srv/hp/state"),
            (layout.ledger_file(), "/srv/hp/state/ledger.sqlite"),
            (layout.lock_file(), "/srv/hp/state/lock"),
            (layout.daemon_log(), "/srv/hp/state/daemon.log"),
            (layout.store_dir().to_owned(), "/srv/hp/store"),
            (layout.scratch_dir().to_owned(), "/srv/hp/scratch"),
            (layout.data_dir().to_owned(), "/srv/hp/data"),
            (layout.volume_dir(&alice, &home), "/srv/hp/data/alice/home"),
            (layout.run_dir().to_owned(), "/srv/hp/run"),
            (layout.mounts_dir(), "/srv/hp/run/mnt"),
            (layout.instance_run_dir(&alice, Slot::First), "/srv/hp/run/instances/alice/port"),
            (layout.frozen_note(&alice, &container), &note),
            (layout.older_frozen_note(&alice), "/srv/hp/run/frozen/alice"),
            (layout.notify_socket(&alice, Slot::First), "/srv/hp/run/instances/alice/port/notify"),
            (layout.control_socket(), "/srv/hp/run/daemon.sock"),
            (layout.daemon_pid_file(), "/srv/hp/run/daemon.pid"),
            (layout.holder_socket(), "/srv/hp/run/holder.sock"),
            (layout.drain_socket(4711), "/srv/hp/run/drain/4711.sock"),
            (layout.haproxy_dir(), "/srv/hp/run/haproxy"),
        ];
        for (path, wanted) in rows {
            assert_eq!(path, Path::new(wanted));
        }
        assert_eq!(Layout::system().ledger_file(), Path::new("/var/lib/homeport/state/ledger.sqlite"));
        assert!(Layout::system().longest_socket() <= MAX_SOCKET_BYTES);
    }

    #[test]
    fn a_root_is_absolute_and_normal_and_text() {
        use std::os::unix::ffi::OsStrExt as _;
        for bad in ["", "srv", "./srv", "/srv/../etc", "/srv\n"] {
            let error = Layout::under(Path::new(bad)).unwrap_err();
            assert!(matches!(error, LayoutError::Root { .. }), "{bad}: {error}");
        }
        assert!(Layout::under(Path::new(std::ffi::OsStr::from_bytes(b"/srv/\xff"))).is_err());
    }

    #[test]
    fn the_longest_root_that_is_taken_has_room_for_every_socket() {
        let longest: InstanceName = "i".repeat(MAX_INSTANCE_BYTES).parse().unwrap();
        assert!("i".repeat(MAX_INSTANCE_BYTES + 1).parse::<InstanceName>().is_err());
        let root = |length: usize| PathBuf::from(format!("/{}", "r".repeat(length - 1)));
        let fits = (1..MAX_SOCKET_BYTES).rev().find(|length| Layout::under(&root(*length)).is_ok()).unwrap();
        let layout = Layout::under(&root(fits)).unwrap();
        let sockets = [Slot::First, Slot::Second].map(|slot| layout.notify_socket(&longest, slot));
        assert_eq!(sockets.iter().map(|socket| socket.as_os_str().len()).max(), Some(MAX_SOCKET_BYTES));
        for socket in &sockets {
            rustix::net::SocketAddrUnix::new(socket).unwrap();
        }
        let error = Layout::under(&root(fits + 7)).unwrap_err();
        assert!(error.help().unwrap().contains(&format!("at most {fits} bytes")), "{error}");
    }
}
