//! Owns the plan of migrations: for each volume, how its data gets to a format that the candidate works with.
//! Never runs a step and never asks whether the versions allow it: that is `verdict`'s.

use std::collections::BTreeMap;

use super::proposal::{Direction, Formats, Past, Proposal};
use super::way_back::{WayBack, way_back};
use crate::fault::Fault;
use crate::manifest::{Manifest, Migration, Reversible, Volume};
use crate::name::VolumeName;
use crate::unit::{Bytes, Format, Seconds};

/// What happens to the volumes, and how one gets back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationPlan {
    /// Every volume that the candidate declares or the instance has.
    pub volumes: BTreeMap<VolumeName, Move>,
    /// How one gets back once the candidate has run.
    pub way_back: WayBack,
}

/// What happens to one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It is made, in this format.
    Create(Format),
    /// Its data is used as it is, in this format.
    Stay(Format),
    /// Its data goes through these steps, in this order; never empty.
    Migrate(Vec<Step>),
    /// Its data is replaced by that of the snapshot.
    Restore {
        /// The format of the data that is there now.
        found: Format,
        /// The format of the data in the snapshot.
        to: Format,
    },
    /// The candidate does not know it: it stays where it is, in this format, and is not mounted.
    SetAside(Format),
}

/// Which image carries out a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Image {
    /// The one that runs now: on the way down it is the newer one, which knows both formats.
    Installed,
    /// The one that is to run.
    Candidate,
}

/// One step between two formats that stand next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The format before.
    pub from: Format,
    /// The format after: one more, or one less.
    pub to: Format,
    /// Who carries it out.
    pub by: Image,
    /// The space that it takes beside the data, in percent of the data's size.
    pub space_percent: u32,
    /// How long it may take.
    pub within: Seconds,
    /// Whether there is a step the other way.
    pub back: Reversible,
}

impl Move {
    /// The most free space that is needed at once for data of this size: the copy that is migrated, and the step that
    /// takes most. 0 where nothing is copied.
    pub fn space(&self, data: Bytes) -> Bytes {
        let Self::Migrate(steps) = self else { return Bytes::new(0) };
        let most = u128::from(steps.iter().map(|step| step.space_percent).max().unwrap_or(0));
        let needed = u128::from(data.get()) + (u128::from(data.get()) * most).div_ceil(100);
        Bytes::new(u64::try_from(needed).unwrap_or(u64::MAX))
    }

    /// The longest time that its steps may take, one after the other.
    pub fn within(&self) -> Seconds {
        let Self::Migrate(steps) = self else { return Seconds::new(0) };
        Seconds::new(steps.iter().fold(0, |sum, step| sum.saturating_add(step.within.get())))
    }
}

/// Plans each volume's way, or says of every volume why there is none. Asked twice, it answers the same.
/// [spec: UPG-20, UPG-21, UPG-22, UPG-24, UPG-25, UPG-27]
pub fn plan(proposal: &Proposal<'_>) -> Result<MigrationPlan, Vec<Fault>> {
    let (volumes, faults) = moves(proposal);
    if faults.is_empty() {
        let way_back = way_back(proposal, &volumes);
        Ok(MigrationPlan { volumes, way_back })
    } else {
        Err(faults)
    }
}

/// The way of each volume that has one, and of each other one why it has none.
pub(super) fn moves(proposal: &Proposal<'_>) -> (BTreeMap<VolumeName, Move>, Vec<Fault>) {
    let candidate = proposal.candidate.manifest;
    let mut volumes = BTreeMap::new();
    let mut faults = Vec::new();
    let mut stuck = Vec::new();
    for (name, volume) in &candidate.volumes {
        match proposal.formats.get(name) {
            None if proposal.installed.manifest.volumes.contains_key(name) => faults.push(unknown_format(name)),
            None => {
                volumes.insert(name.clone(), Move::Create(volume.format));
            }
            Some(found) => {
                let way = match left_in(proposal, name) {
                    Some(to) => set_back(name, volume, *found, to).map_err(|fault| (name.clone(), fault)),
                    None => by_steps(proposal, name, volume, *found),
                };
                match way {
                    Ok(way) => {
                        volumes.insert(name.clone(), way);
                    }
                    Err(fault) => stuck.push(fault),
                }
            }
        }
    }
    match proposal.past {
        Past::Offered(snapshot) if proposal.direction == Direction::Down && !stuck.is_empty() => {
            faults.extend(restore(proposal, snapshot, stuck, &mut volumes));
        }
        _ => faults.extend(stuck.into_iter().map(|(_, fault)| fault)),
    }
    for (name, format) in proposal.formats.iter().filter(|(name, _)| !candidate.volumes.contains_key(*name)) {
        volumes.insert(name.clone(), Move::SetAside(*format));
    }
    (volumes, faults)
}

/// The format in which the candidate left this volume, where it goes back to that. What the installed version does not know
/// was set aside when the candidate was left, and is what it was then.
fn left_in(proposal: &Proposal<'_>, name: &VolumeName) -> Option<Format> {
    let Past::Left(left) = proposal.past else { return None };
    left.get(name).copied().filter(|_| proposal.installed.manifest.volumes.contains_key(name))
}

/// What to do where steps are missing.
pub(super) const BETWEEN: &str =
    "go up to a version between the two first; where there is none, the port's author has to add the steps";

/// The way of one volume by steps alone.
fn by_steps(
    proposal: &Proposal<'_>,
    name: &VolumeName,
    volume: &Volume,
    found: Format,
) -> Result<Move, (VolumeName, Fault)> {
    if found > volume.format {
        return match proposal.direction {
            Direction::Up => Err((name.clone(), newer(name, volume, found))),
            Direction::Down => down(proposal.installed.manifest, name, volume, found),
        };
    }
    // On the way down nothing goes up that need not: the version to come back to knows the lower format.
    if proposal.direction == Direction::Down && found >= volume.min_format {
        return Ok(Move::Stay(found));
    }
    let steps = chain(proposal.candidate.manifest, name, found);
    if !steps.is_empty() {
        return Ok(Move::Migrate(steps));
    }
    if found >= volume.min_format {
        return Ok(Move::Stay(found));
    }
    let oldest = super::compare::oldest_taken(proposal.candidate.manifest, name).unwrap_or(volume.min_format);
    Err((
        name.clone(),
        Fault::new("HP-UPG-008", subject(name), format!("no steps lead from the format of `{name}` to the new one"))
            .actual(format!("format {found}"))
            .expected(format!("format {oldest} to {}", volume.format))
            .remedy(BETWEEN)
            .clause("UPG-22"),
    ))
}

/// The steps up from a format to that of the volume; none if the chain begins later.
fn chain(manifest: &Manifest, name: &VolumeName, found: Format) -> Vec<Step> {
    let steps = manifest.migrations.iter().filter(|step| step.volume == *name && step.from >= found);
    let steps: Vec<Step> = steps.map(|step| taken(step, Direction::Up)).collect();
    if steps.first().is_some_and(|first| first.from == found) { steps } else { Vec::new() }
}

/// The steps down to the older version's format, carried out by the newer image.
fn down(newer: &Manifest, name: &VolumeName, volume: &Volume, found: Format) -> Result<Move, (VolumeName, Fault)> {
    let mut steps = Vec::new();
    for format in (volume.format.get()..found.get()).rev() {
        let step = newer.migrations.iter().find(|step| step.volume == *name && step.from.get() == format);
        match step.filter(|step| step.down == Reversible::Yes) {
            Some(step) => steps.push(taken(step, Direction::Down)),
            None => return Err((name.clone(), no_way_down(name, volume, found, Format::new(format)))),
        }
    }
    Ok(Move::Migrate(steps))
}

fn taken(step: &Migration, direction: Direction) -> Step {
    let above = Format::new(step.from.get().saturating_add(1));
    let (from, to, by, back) = match direction {
        Direction::Up => (step.from, above, Image::Candidate, step.down),
        Direction::Down => (above, step.from, Image::Installed, Reversible::Yes),
    };
    Step { from, to, by, space_percent: step.space_percent, within: step.within, back }
}

/// A snapshot is one state of the whole instance: where one volume needs it, every volume that it holds goes back to it.
fn restore(
    proposal: &Proposal<'_>,
    snapshot: &Formats,
    stuck: Vec<(VolumeName, Fault)>,
    volumes: &mut BTreeMap<VolumeName, Move>,
) -> Vec<Fault> {
    let mut faults: Vec<Fault> =
        stuck.into_iter().filter(|(name, _)| !snapshot.contains_key(name)).map(|(_, fault)| fault).collect();
    for (name, volume) in &proposal.candidate.manifest.volumes {
        let (Some(found), Some(to)) = (proposal.formats.get(name), snapshot.get(name)) else { continue };
        match set_back(name, volume, *found, *to) {
            Ok(way) => drop(volumes.insert(name.clone(), way)),
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

/// The way of one volume to what a snapshot has of it.
fn set_back(name: &VolumeName, volume: &Volume, found: Format, to: Format) -> Result<Move, Fault> {
    if (volume.min_format..=volume.format).contains(&to) {
        return Ok(Move::Restore { found, to });
    }
    let message =
        format!("the snapshot's data of `{name}` is not of a format that the version that is to run works with");
    Err(Fault::new("HP-UPG-010", subject(name), message)
        .actual(format!("format {to}"))
        .expected(formats_of(volume))
        .remedy("choose a snapshot that this version, or one before it, took")
        .clause("UPG-25"))
}

fn newer(name: &VolumeName, volume: &Volume, found: Format) -> Fault {
    Fault::new("HP-UPG-007", subject(name), format!("the data of `{name}` is newer than the version that is to run"))
        .actual(format!("format {found}"))
        .expected(format!("at most format {}", volume.format))
        .remedy("use a version that knows this format")
        .clause("UPG-22")
}

fn no_way_down(name: &VolumeName, volume: &Volume, found: Format, at: Format) -> Fault {
    let message = format!("the data of `{name}` cannot be taken back to a format that the older version works with");
    Fault::new("HP-UPG-009", subject(name), message)
        .actual(format!("format {found}, and no step from {} to {at}", at.get().saturating_add(1)))
        .expected(formats_of(volume))
        .remedy(format!(
            "stay with the installed version, or give the store a snapshot that has `{name}` in such a format: one that was \
             exported comes back with `homeport snapshot import FILE`; what was written since it was taken would be lost"
        ))
        .clause("UPG-24")
}

fn unknown_format(name: &VolumeName) -> Fault {
    Fault::new("HP-UPG-018", subject(name), format!("the format of `{name}` is not known"))
        .expected("the format that its marker says")
        .remedy("see what `homeport volume check` says of it")
        .clause("UPG-22")
}

fn formats_of(volume: &Volume) -> String {
    if volume.min_format == volume.format {
        format!("format {}", volume.format)
    } else {
        format!("format {} to {}", volume.min_format, volume.format)
    }
}

pub(super) fn subject(name: &VolumeName) -> String {
    format!("volumes.{name}")
}
