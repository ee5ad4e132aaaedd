//! Owns the way from a question to a volume that may be touched: examine, decide, and the phases after it as types.
//!
//! ```text
//! check --Create--> Creatable --create--> Ready --begin_use--> InUse --data--> Mounts::mount
//!    \---Attach---------------------------^
//!     \--faults--> VolumeError::Refused, nothing changed
//! ```
//!
//! A volume can only be mounted by way of the descriptors that were checked. Never mounts and never writes itself.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use homeport_core::entrypoint::ExpectedVolume;
use homeport_core::fault::Fault;

use crate::decide::{Novelty, Start, Verdict, decide, notices};
use crate::error::VolumeError;
use crate::examine::{Data, Examined, Machine, Opened, examine, examine_among};
use crate::facts::Place;
use crate::identity::VolumeUuid;
use crate::marker::Marker;
use crate::path::VolumePath;
use crate::request::{Known, Request};
use crate::users::Processes;

/// A volume that passed its checks.
#[derive(Debug)]
pub enum Checked {
    /// It does not exist and may be made.
    Create(Box<Creatable>),
    /// It exists and may be taken into use.
    Attach(Box<Ready>),
}

/// A place where a volume may be made.
#[derive(Debug)]
pub struct Creatable {
    pub(crate) request: Request,
    pub(crate) place: Place,
    pub(crate) volume: Option<OwnedFd>,
    pub(crate) start: Start,
}

/// A volume that was checked, and the descriptors that were.
#[derive(Debug)]
pub struct Ready {
    pub(crate) path: VolumePath,
    pub(crate) volume: OwnedFd,
    pub(crate) data: CheckedData,
    pub(crate) marker: Marker,
    pub(crate) novelty: Novelty,
    pub(crate) notices: Vec<Fault>,
}

/// The `data/` directory that was checked: what is mounted is this directory, whatever happens to its path.
#[derive(Debug)]
pub struct CheckedData {
    pub(crate) fd: OwnedFd,
    pub(crate) path: VolumePath,
    pub(crate) uuid: VolumeUuid,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// Checks the volume of `request`. Makes nothing but the probe file, and that only in a volume that is there.
///
/// # Errors
/// [`VolumeError::Refused`] with all faults, or what the operating system refused.
pub fn check(machine: &Machine, request: &Request, known: Option<&Known>) -> Result<Checked, VolumeError> {
    judged(examine(machine, request, known)?, request, known)
}

/// The same for one of several volumes: `processes` were looked at once for all of them, a moment ago.
///
/// # Errors
/// Those of [`check`].
pub fn check_among(
    machine: &Machine,
    processes: &Processes,
    request: &Request,
    known: Option<&Known>,
) -> Result<Checked, VolumeError> {
    judged(examine_among(machine, Some(processes), request, known)?, request, known)
}

fn judged(examined: Examined, request: &Request, known: Option<&Known>) -> Result<Checked, VolumeError> {
    let verdict = decide(request, known, &examined.facts).map_err(VolumeError::Refused)?;
    let changed = |what: &str| VolumeError::Changed { path: request.path.clone(), what: what.to_owned() };
    match (verdict, examined.opened) {
        (Verdict::Create(start), opened) => {
            let place = examined.facts.place.ok_or_else(|| changed("its file system is gone"))?;
            let volume = opened.map(|opened| opened.volume);
            Ok(Checked::Create(Box::new(Creatable { request: request.clone(), place, volume, start })))
        }
        (Verdict::Attach { marker, novelty }, Some(Opened { volume, data: Data::Open(fd, status) })) => {
            let (device, inode) = (status.device, status.inode);
            let notices = notices(request, known, &examined.facts);
            let data = CheckedData { fd, path: request.path.clone(), uuid: marker.uuid, device, inode };
            Ok(Checked::Attach(Box::new(Ready {
                path: request.path.clone(),
                volume,
                data,
                marker: *marker,
                novelty,
                notices,
            })))
        }
        (Verdict::Attach { .. }, _) => Err(changed("its data is gone")),
    }
}

impl Creatable {
    /// From where the volume will be made.
    pub fn start(&self) -> Start {
        self.start
    }
}

impl Ready {
    /// What the volume says about itself, as it was checked.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// What an operator may want to know about it, worded like faults; it may be used all the same. [spec: VOL-38]
    pub fn notices(&self) -> &[Fault] {
        &self.notices
    }

    /// The data, to be mounted only for looking at: taking it into use comes first otherwise.
    pub fn data(&self) -> &CheckedData {
        &self.data
    }

    /// What init is told to find at `path` in the container. [spec: VOL-20]
    pub fn expected(&self, path: String) -> ExpectedVolume {
        ExpectedVolume {
            path,
            uuid: self.marker.uuid.to_string(),
            format: self.marker.format,
            device: self.data.device,
            inode: self.data.inode,
            new: self.novelty == Novelty::New,
        }
    }
}

impl CheckedData {
    /// What init is told to find at `path` in the container, where it has this format. [spec: VOL-20]
    pub fn expected(&self, path: String, format: homeport_core::unit::Format) -> ExpectedVolume {
        let (device, inode) = (self.device, self.inode);
        ExpectedVolume { path, uuid: self.uuid.to_string(), format, device, inode, new: false }
    }

    /// The volume.
    pub fn uuid(&self) -> VolumeUuid {
        self.uuid
    }

    /// The directory, open only to refer to it.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// `st_dev` and `st_ino` of the directory.
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}
