//! Owns saying where a known volume is now: it was moved there by a person, or is renamed there. Never copies, and never
//! takes one of two copies for the volume.

use std::os::fd::AsFd as _;
use std::path::Path;

use homeport_core::fault::Fault;
use rustix::fs::RenameFlags;

use super::change::change_marker;
use crate::check::{Checked, Ready, check};
use crate::directory;
use crate::error::VolumeError;
use crate::examine::{Examined, Machine, examine};
use crate::facts::{Facts, MarkerFact, PathFact};
use crate::failpoint::point;
use crate::filesystem::Sameness;
use crate::marker::Marker;
use crate::open::open_directory;
use crate::path::{Relation, VolumePath};
use crate::request::{Access, Known, Request};

/// How a volume comes to its new path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveWay {
    /// It is there: only the ledger has to know, and the marker, where the disk is another one.
    Found,
    /// It is renamed there, on the same file system.
    Rename,
}

/// What a move would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// Where the ledger has it.
    pub from: VolumePath,
    /// Where it is, or will be.
    pub to: VolumePath,
    /// How it comes there.
    pub way: MoveWay,
    /// What it says about itself now.
    pub found: Marker,
    /// What it is to say.
    pub becomes: Marker,
}

/// Says what has to be done so that the known volume is at the path of `request`. Changes nothing but the probe file.
///
/// # Errors
/// [`VolumeError::Refused`]: `HP-VOL-032` if it would have to be copied to another file system, with the commands for
/// that; `HP-VOL-033` if both places have it; `HP-VOL-034` if the old place cannot be looked at, and the new one is not
/// its disk; else the faults of an ordinary check.
pub fn plan_move(machine: &Machine, request: &Request, known: &Known) -> Result<Relocation, VolumeError> {
    let (from, to) = (&known.path, &request.path);
    // The ledger's own entry is no neighbour of itself.
    let mut request = request.clone();
    request.neighbours.retain(|other| other.uuid != Some(known.uuid));
    let seen = examine(machine, &request, None)?;
    let is_there = matches!(
        seen.facts.content.as_ref().map(|content| &content.marker),
        Some(MarkerFact::Valid(marker)) if marker.uuid == known.uuid
    );
    if is_there { found(machine, &request, known, &seen) } else { rename(machine, &request, known, &seen.facts) }
        .map(|(way, found, becomes)| Relocation { from: from.clone(), to: to.clone(), way, found, becomes })
}

type Way = (MoveWay, Marker, Marker);

/// The volume is at the new path.
fn found(machine: &Machine, request: &Request, known: &Known, seen: &Examined) -> Result<Way, VolumeError> {
    let Some(place) = &seen.facts.place else { return Err(gone(&request.path)) };
    let mount = |point: &Path| VolumePath::try_from(point).ok();
    let old = examine(machine, &Request { path: known.path.clone(), access: Access::Shared, ..request.clone() }, None)?;
    let same_directory = known.path == request.path || is_same(&old, seen);
    let still = matches!(
        old.facts.content.as_ref().map(|content| &content.marker),
        Some(MarkerFact::Valid(marker)) if marker.uuid == known.uuid
    );
    if still && !same_directory {
        return Err(refused(
            fault(request, "HP-VOL-033", format!("volume {} is at two places", known.uuid))
                .expected(format!("the volume at `{}` only", request.path))
                .actual(format!("one at `{}` too", known.path))
                .remedy(format!(
                    "find out which of both is the right one; if it is that at `{}`, move the other one aside with \
                     `mv '{}' '{}.old'` and repeat the command",
                    request.path, known.path, known.path
                )),
        ));
    }
    let lost = known
        .must_be_mount
        .as_ref()
        .filter(|point| machine.mounts().is_ok_and(|mounts| mounts.at(point.as_path()).is_none()));
    if let Some(point) = lost.filter(|_| known.fs.compare(&place.fs) != Sameness::Same) {
        return Err(refused(
            fault(request, "HP-VOL-034", format!("the old place of volume {} cannot be looked at", known.uuid))
                .expected(format!("`{}` mounted at `{point}`, or that disk at the new place", known.fs))
                .actual(format!("nothing mounted at `{point}`, and `{}` at `{}`", place.fs, request.path))
                .remedy(format!(
                    "mount it and repeat the command; if that disk is lost, `homeport volume adopt` takes the copy at \
                     `{}` up as it is",
                    request.path
                )),
        ));
    }
    let here = Known {
        path: request.path.clone(),
        fs: place.fs.clone(),
        must_be_mount: mount(&place.mount_point),
        ..known.clone()
    };
    let ready = attach(machine, request, &here)?;
    let becomes = Marker { fs: here.fs, must_be_mount: here.must_be_mount, ..ready.marker.clone() };
    Ok((MoveWay::Found, ready.marker.clone(), becomes))
}

/// The volume is at its old path, and is to go to the new one.
fn rename(machine: &Machine, request: &Request, known: &Known, there: &Facts) -> Result<Way, VolumeError> {
    let mut faults = Vec::new();
    match &there.path {
        PathFact::Missing { first } if *first == request.path.as_str() => {}
        PathFact::Directory => faults.push(
            fault(request, "HP-VOL-003", format!("`{}` is there already", request.path))
                .expected("nothing at the new path, or the volume itself")
                .actual("a directory that is not the volume")
                .remedy("name a path that does not exist yet; `rmdir` removes an empty directory"),
        ),
        PathFact::Missing { first } => faults.push(
            fault(request, "HP-VOL-001", format!("the directory for `{}` does not exist", request.path))
                .expected("everything but the last name of the path to exist")
                .actual(format!("nothing at `{first}`"))
                .remedy("check the path for a typing mistake, or make the directory"),
        ),
        PathFact::NotADirectory { component } | PathFact::Link { component, .. } => faults.push(
            fault(request, "HP-VOL-001", format!("the path `{}` does not lead to a directory", request.path))
                .expected("directories on the way, and no links")
                .actual(format!("something else at `{component}`"))
                .remedy("name another path"),
        ),
        PathFact::Unreachable { reason } => faults.push(
            fault(request, "HP-VOL-001", format!("the path `{}` cannot be opened", request.path))
                .expected("a directory that can be reached")
                .actual(reason.clone())
                .remedy("see the kernel's log (`dmesg`)"),
        ),
    }
    if request.path.relation(&known.path) != Relation::Separate {
        faults.push(
            fault(request, "HP-VOL-012", format!("`{}` and `{}` overlap", request.path, known.path))
                .expected("a path that is neither in the other nor around it")
                .actual(format!("`{}`", request.path))
                .remedy("name another path"),
        );
    }
    faults.extend(there.overlaps.iter().map(|overlap| {
        fault(request, "HP-VOL-012", format!("`{}` overlaps with {}", request.path, overlap.label))
            .expected("a directory of its own")
            .actual(format!("`{}`", overlap.path))
            .remedy("name another path")
    }));
    if !faults.is_empty() {
        return Err(VolumeError::Refused(faults));
    }
    let ready = attach(machine, &Request { path: known.path.clone(), ..request.clone() }, known)?;
    let status = directory::status(&ready.volume).map_err(VolumeError::io("examine", &known.path))?;
    let (parent, _) = crate::trash::parent_of(&request.path)?;
    let above = directory::status(&parent).map_err(VolumeError::io("examine the directory of", &request.path))?;
    if status.is_mount_root || above.mount_id != status.mount_id || above.device != status.device {
        let (old, new) = (&known.path, &request.path);
        return Err(refused(
            fault(request, "HP-VOL-032", format!("`{new}` is on another file system than volume `{}`", request.volume))
                .expected("two paths on one file system: HomePort moves by renaming and never by copying")
                .actual(format!("`{old}` and `{new}`, with another mount between them"))
                .remedy(format!(
                    "copy it with `rsync -aHAXS --numeric-ids '{old}/' '{new}/'` (or `cp -a '{old}' '{new}'`), move the \
                     old one aside with `mv '{old}' '{old}.old'`, and repeat the command"
                )),
        ));
    }
    Ok((MoveWay::Rename, ready.marker.clone(), ready.marker.clone()))
}

/// Does what the plan says; when this returns, it is so on the disk, and the ledger is to be written. May be repeated
/// after a crash at any point. The way back of a rename is the plan with both paths exchanged.
///
/// # Errors
/// [`VolumeError::Changed`] if the volume is not where the plan had it.
pub fn relocate(plan: &Relocation) -> Result<Marker, VolumeError> {
    if plan.way == MoveWay::Found {
        change_marker(&plan.to, &plan.found, &plan.becomes)?;
        return Ok(plan.becomes.clone());
    }
    let io = |action| VolumeError::io(action, &plan.from);
    let (old, old_name) = crate::trash::parent_of(&plan.from)?;
    let (new, new_name) = crate::trash::parent_of(&plan.to)?;
    match open_directory(&plan.from) {
        Ok(volume) => {
            let (volume, home, _lock) = crate::begin::lock_home(&volume, &plan.from)?;
            let found = crate::marker::file::read(home.as_fd());
            if found.map_err(VolumeError::io("read the marker of", &plan.from))?
                != MarkerFact::Valid(Box::new(plan.found.clone()))
            {
                let what = "its marker is another one".to_owned();
                return Err(VolumeError::Changed { path: plan.from.clone(), what });
            }
            drop(volume);
            point("move.rename").map_err(VolumeError::io("move", &plan.from))?;
            rustix::fs::renameat_with(&old, old_name, &new, new_name, RenameFlags::NOREPLACE).map_err(io("move"))?;
        }
        Err(PathFact::Missing { .. }) => {}
        Err(_) => return Err(gone(&plan.from)),
    }
    point("move.sync").map_err(VolumeError::io("sync", &plan.from))?;
    // The one that loses the name first: see `trash::shift`.
    rustix::fs::fsync(&old).map_err(io("sync"))?;
    rustix::fs::fsync(&new).map_err(io("sync"))?;
    let volume = open_directory(&plan.to).map_err(|_| gone(&plan.to))?;
    let (_volume, home, _lock) = crate::begin::lock_home(&volume, &plan.to)?;
    match crate::marker::file::read(home.as_fd()).map_err(VolumeError::io("read the marker of", &plan.to))? {
        MarkerFact::Valid(marker) if marker.uuid == plan.becomes.uuid => Ok(*marker),
        _ => Err(gone(&plan.to)),
    }
}

fn attach(machine: &Machine, request: &Request, known: &Known) -> Result<Ready, VolumeError> {
    match check(machine, request, Some(known))? {
        Checked::Attach(ready) => Ok(*ready),
        Checked::Create(_) => Err(gone(&request.path)),
    }
}

/// Whether both are one directory, seen by two paths.
fn is_same(one: &Examined, other: &Examined) -> bool {
    let id = |examined: &Examined| {
        let opened = examined.opened.as_ref()?;
        directory::status(&opened.volume).ok().map(|status| (status.device, status.inode))
    };
    id(one).is_some() && id(one) == id(other)
}

fn gone(path: &VolumePath) -> VolumeError {
    VolumeError::Changed { path: path.clone(), what: "the volume is gone".to_owned() }
}

fn fault(request: &Request, code: &'static str, message: String) -> Fault {
    Fault::new(code, format!("volumes.{}", request.volume), message).clause("VOL-52")
}

fn refused(fault: Fault) -> VolumeError {
    VolumeError::Refused(vec![fault])
}
