//! Owns the plan of an adoption: what is found, what it would become, and what stands against it. Never changes
//! anything.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use homeport_core::fault::Fault;
use homeport_core::unit::{Gid, Uid};
use serde::{Deserialize, Serialize};

use super::blockers;
use super::root::Root;
use crate::decide::judge_place;
use crate::directory::{self, Entry};
use crate::error::VolumeError;
use crate::examine::{Machine, Opened, examine};
use crate::facts::{Content, DataFact, HomeFact, MarkerFact, PathFact, Place};
use crate::identity::Generation;
use crate::layout::{DATA, HOME, HOME_BEFORE_MARKER, LOST_AND_FOUND};
use crate::marker::Marker;
use crate::owner::Owner;
use crate::path::VolumePath;
use crate::request::{Known, Request};
use crate::trash::Measured;
use crate::trash::measure_each;
use crate::tree::escaped;

/// How many different owners are told.
const OWNERS: usize = 16;
/// The most names at the top of a directory that is adopted.
const MOST_NAMES: usize = 1_000_000;

/// What an adoption would do. Everything in it is a fact that an approval can be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// A plain directory becomes a volume.
    Directory(Box<DirectoryPlan>),
    /// A volume becomes this one.
    Volume(Box<VolumePlan>),
}

/// How the data lies in a plain directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Everything in it is data.
    Plain,
    /// There is nothing in it but a directory `data`, as in a volume that was copied without its `.homeport`.
    DataOnly,
}

/// The adoption of a plain directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryPlan {
    /// Where it is.
    pub path: VolumePath,
    /// How the data lies in it.
    pub shape: Shape,
    /// Some of the names at its top, escaped, at most 8.
    pub names: Vec<String>,
    /// How many names there are at its top.
    pub top: u64,
    /// What was counted.
    pub measured: Measured,
    /// Owner and mode that `data/` will have: those that the directory has now.
    pub owner: Owner,
    /// What the port wants; where it differs, a start is refused until the operator has changed it.
    pub wanted: Owner,
    /// How many entries belong to whom: at most 16 owners, those of most entries first.
    pub owners: Vec<(Uid, Gid, u64)>,
    pub(crate) place: Place,
    pub(super) root: Root,
}

/// The adoption of a volume that says to be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlan {
    /// Where it is.
    pub path: VolumePath,
    /// What it says about itself now.
    pub found: Marker,
    /// What it is to say.
    pub becomes: Marker,
    /// What was counted in its `data/`.
    pub measured: Measured,
}

/// Looks at what is at the path of `request`, and says what adopting it would do. `known` is what the ledger has of the
/// volume of that name, if anything.
///
/// # Errors
/// [`VolumeError::Refused`] with all faults; `HP-VOL-030` where there is nothing to adopt.
pub fn plan(
    machine: &Machine,
    request: &Request,
    known: Option<&Known>,
    progress: &mut dyn FnMut(&Measured),
) -> Result<Plan, VolumeError> {
    let examined = examine(machine, request, None)?;
    let facts = &examined.facts;
    let mut faults = judge_place(request, facts);
    let refuse = |faults: Vec<Fault>| Err(VolumeError::Refused(faults));
    if facts.path != PathFact::Directory && faults.is_empty() {
        faults.push(nothing(request, format!("nothing at `{}`", request.path)));
    }
    let (Some(content), Some(opened), Some(place)) = (&facts.content, &examined.opened, &facts.place) else {
        return refuse(faults);
    };
    match &content.marker {
        MarkerFact::Valid(marker) => {
            faults.extend(differences(request, known, marker, content));
            if !faults.is_empty() {
                return refuse(faults);
            }
            let becomes = becomes(request, known, marker, place);
            let Entry::Directory(data) = child(&request.path, opened, DATA)? else {
                return refuse(vec![nothing(request, format!("no `{}/data`", request.path))]);
            };
            let measured = measure_each(data, progress, &mut |_| {}).map_err(VolumeError::Tree)?;
            let found = (**marker).clone();
            Ok(Plan::Volume(Box::new(VolumePlan { path: request.path.clone(), found, becomes, measured })))
        }
        MarkerFact::Invalid(marker) => {
            faults.extend(marker.iter().map(|fault| {
                let message = format!("`{}` has a damaged marker", request.path);
                let remedy = "bring it back from a backup, or move `.homeport` away to adopt what is in `data` as a \
                              plain directory";
                subject(request, "HP-VOL-003", message)
                    .clause("VOL-12")
                    .expected("a whole marker, or none")
                    .actual(fault.to_string())
                    .remedy(remedy)
            }));
            refuse(faults)
        }
        MarkerFact::Absent => {
            faults.extend(known.map(|known| {
                let message = format!("volume `{}` of `{}` is known already", request.volume, request.instance);
                subject(request, "HP-VOL-001", message)
                    .clause("VOL-50")
                    .expected("a volume that the ledger has never known")
                    .actual(format!("volume {} at `{}`", known.uuid, known.path))
                    .remedy("purge that volume first, or adopt the directory for an instance with another name")
            }));
            faults.extend(unfit_home(request, content));
            plain(machine, request, opened, place, faults, progress)
        }
    }
}

/// The plan of a directory without a marker.
fn plain(
    machine: &Machine,
    request: &Request,
    opened: &Opened,
    place: &Place,
    mut faults: Vec<Fault>,
    progress: &mut dyn FnMut(&Measured),
) -> Result<Plan, VolumeError> {
    let path = &request.path;
    let io = |action| VolumeError::io(action, path);
    let directory = directory::readable(&opened.volume).map_err(io("open"))?;
    let names = top_names(path, &directory)?;
    if names.is_empty() {
        faults.push(nothing(request, format!("an empty directory at `{path}`")));
    }
    faults.extend(blockers::fixed(path, directory.as_fd(), &names).map_err(io("look at the flags of"))?);
    faults.extend(blockers::open_below(&machine.proc, path));
    if !faults.is_empty() {
        return Err(VolumeError::Refused(faults));
    }
    let shape = match child(path, opened, DATA)? {
        Entry::Directory(_) if names.len() == 1 => Shape::DataOnly,
        _ => Shape::Plain,
    };
    let root = Root::read(directory.as_fd()).map_err(io("examine"))?;
    let owner = match (shape, child(path, opened, DATA)?) {
        (Shape::DataOnly, Entry::Directory(data)) => directory::status(&data).map_err(io("examine the data of"))?.owner,
        _ => root.owner(),
    };
    let mut owners: BTreeMap<(Uid, Gid), u64> = BTreeMap::new();
    let measured = measure_each(&directory, progress, &mut |scanned| {
        *owners.entry((scanned.stat.uid, scanned.stat.gid)).or_default() += 1;
    });
    let measured = measured.map_err(VolumeError::Tree)?;
    let mut owners: Vec<_> = owners.into_iter().map(|((uid, gid), count)| (uid, gid, count)).collect();
    owners.sort_by_key(|(uid, gid, count)| (std::cmp::Reverse(*count), *uid, *gid));
    owners.truncate(OWNERS);
    Ok(Plan::Directory(Box::new(DirectoryPlan {
        path: path.clone(),
        shape,
        top: names.len() as u64,
        names: names.iter().take(Content::NAMES).map(|name| escaped(name.as_bytes())).collect(),
        measured,
        owner,
        wanted: request.owner,
        owners,
        place: place.clone(),
        root,
    })))
}

/// The names in the directory that are the user's.
pub(super) fn top_names(path: &VolumePath, directory: &OwnedFd) -> Result<Vec<OsString>, VolumeError> {
    let status = directory::status(directory).map_err(VolumeError::io("examine", path))?;
    let own = |name: &OsString| name == HOME || (name == LOST_AND_FOUND && status.is_mount_root);
    let mut names = directory::names(directory, MOST_NAMES).map_err(VolumeError::io("list", path))?;
    names.retain(|name| !own(name));
    names.sort();
    Ok(names)
}

fn child(path: &VolumePath, opened: &Opened, name: &str) -> Result<Entry, VolumeError> {
    directory::child(opened.volume.as_fd(), name).map_err(VolumeError::io("open", path))
}

fn subject(request: &Request, code: &'static str, message: String) -> Fault {
    Fault::new(code, format!("volumes.{}", request.volume), message)
}

fn nothing(request: &Request, found: String) -> Fault {
    subject(request, "HP-VOL-030", format!("there is nothing to adopt for volume `{}`", request.volume))
        .clause("VOL-50")
        .expected("a directory with something in it, or a volume that is not this one yet")
        .actual(found)
        .remedy("`homeport deploy` makes a new volume in an empty directory, and takes up its own by itself")
}

/// What is in `.homeport` of a directory without a marker: only what HomePort left of an adoption or a creation there.
fn unfit_home(request: &Request, content: &Content) -> Option<Fault> {
    let shown = match &content.home {
        HomeFact::Absent => return None,
        HomeFact::NotADirectory => "`.homeport`, which is not a directory".to_owned(),
        HomeFact::Present { strangers, .. } => {
            let own = [super::record::ADOPTING, super::record::ADOPTION_NEW];
            let strange: Vec<_> = strangers
                .iter()
                .filter(|name| !own.contains(&name.as_str()) && !HOME_BEFORE_MARKER.contains(&name.as_str()))
                .collect();
            match strange.first() {
                None => return None,
                Some(name) if *name == super::record::ADOPTION => {
                    "an adoption that was interrupted: it has to be finished or taken back".to_owned()
                }
                Some(name) => format!("`.homeport/{name}`"),
            }
        }
    };
    let message = format!("`{}` was a volume, or is becoming one", request.path);
    Some(
        subject(request, "HP-VOL-003", message)
            .clause("VOL-50")
            .expected("a directory that HomePort never made anything in")
            .actual(shown)
            .remedy(
                "finish or take back what was begun there; a purged volume comes back with `homeport trash restore`",
            ),
    )
}

/// What speaks against making the volume with this marker the one of `request`.
fn differences(request: &Request, known: Option<&Known>, marker: &Marker, content: &Content) -> Vec<Fault> {
    let mut faults = Vec::new();
    let path = &request.path;
    if marker.port != request.port {
        faults.push(
            subject(request, "HP-VOL-004", format!("`{path}` holds the data of another port"))
                .clause("VOL-51")
                .expected(format!("a volume of port `{}`", request.port))
                .actual(format!("a volume of port `{}`", marker.port))
                .remedy("adopt it for an instance of that port"),
        );
    }
    if let Some(known) = known.filter(|known| known.uuid != marker.uuid) {
        faults.push(
            subject(
                request,
                "HP-VOL-004",
                format!("volume `{}` of `{}` is another one", request.volume, request.instance),
            )
            .clause("VOL-51")
            .expected(format!("volume {}", known.uuid))
            .actual(format!("volume {}", marker.uuid))
            .remedy("purge the volume that is known first, or adopt this one for an instance with another name"),
        );
    }
    for twin in request.neighbours.iter().filter(|other| other.uuid == Some(marker.uuid)) {
        faults.push(
            subject(request, "HP-VOL-003", format!("volume {} is known already", marker.uuid))
                .clause("VOL-8")
                .expected("a volume that nobody has")
                .actual(format!("{} at `{}`", twin.label, twin.path))
                .remedy("remove the instance that has it first; a copy of it can be adopted as a plain directory, without its `.homeport`"),
        );
    }
    if !matches!(content.data, DataFact::Present { .. }) {
        faults.push(nothing(request, format!("a marker without `{path}/data`")));
    }
    let same = marker.port == request.port
        && (&marker.root, &marker.instance, &marker.volume) == (&request.root, &request.instance, &request.volume);
    let stale = known.is_some_and(|known| marker.generation < known.generation);
    let elsewhere = known.is_some_and(|known| known.path != *path);
    if same && elsewhere && !stale {
        faults.push(
            nothing(request, format!("volume {} itself at another path", marker.uuid))
                .remedy("`homeport volume move` says where a volume is now"),
        );
    } else if same && !stale {
        faults.push(nothing(request, format!("volume {} itself", marker.uuid)));
    }
    faults
}

/// The marker that makes the volume this one, where it is now.
fn becomes(request: &Request, known: Option<&Known>, marker: &Marker, place: &Place) -> Marker {
    // Higher than any that the newer copy can have, which may have been taken into use once more than the ledger knows:
    // from now on that one is the old copy.
    let above = known.map_or(marker.generation, |known| known.generation.next().next());
    Marker {
        root: request.root.clone(),
        instance: request.instance.clone(),
        volume: request.volume.clone(),
        generation: marker.generation.max(above).max(Generation::new(1)),
        fs: place.fs.clone(),
        must_be_mount: VolumePath::try_from(place.mount_point.as_path()).ok(),
        ..marker.clone()
    }
}
