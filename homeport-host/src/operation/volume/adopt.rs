//! Owns taking up a directory of a person's, or a volume of another HomePort or instance, as a volume. With consent; no
//! file of the person's is changed.

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::{Bytes, Inodes};
use homeport_volumes::adopt::{self, DirectoryPlan, Shape, plan};
use homeport_volumes::progress::Progress as _;
use homeport_volumes::{
    Access, Marker, Origin as VolumeOrigin, Owner, Request, Reserve, RootId, TxId, VolumePath, VolumeUuid,
};

use super::list::VolumeEntry;
use crate::approval::Facts;
use crate::host::Host;
use crate::image::{PortImage, find};
use crate::ledger::{Desired, Ledger, Time};
use crate::operation::consent::Question;
use crate::operation::data_error::DataError;
use crate::operation::enter::{enter, ready};
use crate::operation::place::misplaced;
use crate::operation::remove::Execution;
use crate::operation::replace::{as_faults, volume_of};
use crate::operation::{OperationError, Outcome, observe};
use crate::plan::{self, AdoptedDirectory, ChangeWay, ChangedVolume, Kind, Plan};
use crate::progress::Meter;
use crate::request::AdoptRequest;
use crate::run::{Adopting, RunError, Session, known, records};

/// What an adoption would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AdoptPlan {
    /// The instance that is to have it.
    pub instance: InstanceName,
    /// Its port.
    pub port: PortId,
    /// The volume's name.
    pub volume: VolumeName,
    /// The directory.
    pub path: PathBuf,
    /// What is there, in words: a plain directory, a volume of another instance, an older copy.
    pub found: String,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// What a person has to run between the adoption and the deploy, because owner or mode is not what the port asks
    /// for: HomePort changes neither. Empty where everything is right.
    pub then: Vec<String>,
    /// The steps.
    pub plan: Plan,
}

/// An adoption that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Adopted {
    /// What was planned, and done.
    pub plan: AdoptPlan,
    /// The volume, which waits for its instance: `homeport deploy PORT --name INSTANCE` takes it.
    pub volume: VolumeEntry,
}

/// What is to be done, with what was found.
enum Way {
    Directory(Box<DirectoryPlan>, AdoptedDirectory),
    Volume(ChangedVolume),
}

/// Makes a directory a volume of an instance that is to be deployed. [spec: VOL-18]
pub fn volume_adopt(host: &Host, request: &AdoptRequest) -> Result<Outcome<AdoptPlan, Adopted>, OperationError> {
    ready(host)?;
    let image = find(&*host.engine, &request.port, None, &host.verified_images())?;
    let instance = &request.instance;
    enter(host, Kind::Adopt, instance, |writer, root| {
        let asked = question_for(host, writer, root, request, &image)?;
        let (plan, way, question) = prepare(host, writer, request, &image, &asked)?;
        if request.execution == Execution::DryRun {
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan, approval });
        }
        let approval = question.consent(host, writer, request.approve.as_ref())?;
        let mut session = Session::new(host, writer, root.clone(), Kind::Adopt, instance.clone()).approved(approval);
        if let Way::Directory(found, directory) = way {
            session.adopting = Some((Box::new(Adopting { request: asked, plan: *found }), directory));
        }
        session.run(&plan.plan)?;
        // It is for good now; where this fails, the next command does it.
        if let Err(RunError::Died { kind, instance }) = session.follow() {
            return Err(RunError::Died { kind, instance }.into());
        }
        drop(session);
        let record = volume_of(writer, instance, &request.volume)?;
        Ok(Outcome::Done(Adopted { plan, volume: record.into() }))
    })
}

/// What is asked of the directory.
fn question_for(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    request: &AdoptRequest,
    image: &PortImage,
) -> Result<Request, OperationError> {
    let (instance, volume) = (&request.instance, &request.volume);
    if let Some(record) = ledger.instance(instance)?
        && (record.desired == Desired::Running || observe::is_running(host, &record)?)
    {
        let why = "a volume is taken up before its instance runs";
        return Err(DataError::Runs { instance: instance.clone(), why }.into());
    }
    let declared = image.manifest.volumes.get(volume).ok_or_else(|| DataError::UnknownVolume {
        instance: instance.clone(),
        volume: volume.clone(),
        known: image.manifest.volumes.keys().map(ToString::to_string).collect(),
    })?;
    let path = VolumePath::try_from(request.path.as_path()).map_err(|error| {
        let fault = Fault::new("HP-REQ-005", format!("volumes.{volume}"), error.to_string())
            .remedy("give the whole path, from `/` on");
        OperationError::Refused { what: format!("adoption of `{}`", request.path.display()), faults: vec![fault] }
    })?;
    if let Some(fault) = misplaced(&host.layout, volume, path.as_path()) {
        let what = format!("adoption of `{path}`");
        return Err(OperationError::Refused { what, faults: vec![fault] });
    }
    let mut neighbours = known::neighbours(host, &ledger.all_volumes()?);
    // A volume that is known there already is no neighbour of itself; HomePort's own directories always are.
    neighbours.retain(|neighbour| neighbour.uuid.is_none() || neighbour.path != path);
    neighbours.extend(known::engine_directory(&host.engine.facts()?.directory));
    Ok(Request {
        root: root.clone(),
        port: image.manifest.port.id.clone(),
        instance: instance.clone(),
        volume: volume.clone(),
        origin: VolumeOrigin::Operator,
        path,
        format: declared.format,
        min_format: declared.min_format,
        owner: Owner { uid: declared.uid, gid: declared.gid, mode: declared.mode },
        reserve: Reserve { bytes: Bytes::new(0), inodes: Inodes::new(0) },
        access: Access::ReadWrite,
        in_use_by: None,
        tolerated: Vec::new(),
        neighbours,
    })
}

fn prepare(
    host: &Host,
    ledger: &Ledger,
    request: &AdoptRequest,
    image: &PortImage,
    asked: &Request,
) -> Result<(AdoptPlan, Way, Question), OperationError> {
    let records = ledger.volumes(&request.instance)?;
    let record = records.into_iter().find(|record| record.name == request.volume && record.port == asked.port);
    let known = record.as_ref().map(records::known).transpose();
    let what = || format!("adoption of `{}`", request.path.display());
    let known = known.map_err(|fault| OperationError::Refused { what: what(), faults: vec![*fault] })?;
    let meter = Meter::new(&*host.progress, format!("count what is in `{}`", request.path.display()));
    let mut told = (0, 0);
    let found = plan(&host.machine, asked, known.as_ref(), &mut |now| {
        meter.advance(now.bytes.get() - told.0, now.entries - told.1);
        told = (now.bytes.get(), now.entries);
    });
    let found =
        found.map_err(|error| OperationError::Refused { what: what(), faults: as_faults(&request.volume, error) })?;
    let (measured, text, then, way) = match found {
        adopt::Plan::Directory(directory) => {
            let adopted = AdoptedDirectory {
                volume: request.volume.clone(),
                path: request.path.clone(),
                uuid: VolumeUuid::random(),
                tx: TxId::random(),
            };
            let then = amends(directory.owner, directory.wanted, &directory.path);
            (directory.measured, described(&directory), then, Way::Directory(directory, adopted))
        }
        adopt::Plan::Volume(volume) => {
            let changed = ChangedVolume {
                volume: request.volume.clone(),
                from: request.path.clone(),
                to: request.path.clone(),
                way: ChangeWay::Found,
                found: text_of(&volume.found),
                becomes: text_of(&volume.becomes),
            };
            let found = &volume.found;
            let text = format!(
                "volume {} (`{}` of `{}`, port `{}`, generation {}) of HomePort {}",
                found.uuid, found.volume, found.instance, found.port, found.generation, found.root
            );
            (volume.measured, text, Vec::new(), Way::Volume(changed))
        }
    };
    let steps = match &way {
        Way::Directory(_, directory) => plan::adopt(&request.instance, directory.clone()),
        Way::Volume(changed) => plan::change(Kind::Adopt, &request.instance, changed.clone()),
    };
    let newest = Time::of_unix(measured.newest.seconds(), measured.newest.nanos());
    let facts = Facts::default()
        .with("path", request.path.display())
        .with("port", &image.manifest.port.id)
        .with("volume", &request.volume)
        .with("found", &text)
        .with("entries", measured.entries)
        .with("bytes", measured.bytes)
        .with("newest", newest);
    let plan = AdoptPlan {
        instance: request.instance.clone(),
        port: asked.port.clone(),
        volume: request.volume.clone(),
        path: request.path.clone(),
        found: text,
        entries: measured.entries,
        bytes: measured.bytes,
        then,
        plan: steps,
    };
    let needed = Some("it makes a directory of yours HomePort's, and what is in it a port's".to_owned());
    let question = Question { command: format!("volume adopt {}", request.instance), facts, needed };
    Ok((plan, way, question))
}

/// A plain directory in words, and whose it is where the port asks for another owner or mode. [spec: VOL-6]
fn described(directory: &DirectoryPlan) -> String {
    let shape = match directory.shape {
        Shape::Plain => "a plain directory",
        Shape::DataOnly => "a volume without its `.homeport`",
    };
    let owner = if directory.owner == directory.wanted {
        String::new()
    } else {
        format!("; its owner and mode are {}, and the port asks for {}", directory.owner, directory.wanted)
    };
    format!("{shape} with {} names at its top{owner}", directory.top)
}

/// What a person runs after the adoption so that a deploy takes the volume at `path`. [spec: VOL-6]
fn amends(found: Owner, wanted: Owner, path: &VolumePath) -> Vec<String> {
    let mut commands = Vec::new();
    if (found.uid, found.gid) != (wanted.uid, wanted.gid) {
        commands.push(format!("chown -R {}:{} '{path}/data'", wanted.uid, wanted.gid));
    }
    // A change of owner may clear bits of the mode, so this comes after it.
    if found.mode != wanted.mode {
        commands.push(format!("chmod {} '{path}/data'", wanted.mode));
    }
    commands
}

pub(super) fn text_of(marker: &Marker) -> String {
    String::from_utf8(marker.render()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::{Gid, Mode, Uid};

    use super::*;

    #[test]
    fn owner_and_mode_that_the_port_does_not_ask_for_are_amended_by_commands() {
        let owner = |uid, gid, mode| Owner { uid: Uid::new(uid), gid: Gid::new(gid), mode: Mode::new(mode) };
        let path = VolumePath::try_from(std::path::Path::new("/srv/mail")).unwrap();
        let wanted = owner(1000, 1000, 0o700);
        let (chown, chmod) = ("chown -R 1000:1000 '/srv/mail/data'", "chmod 0700 '/srv/mail/data'");
        for (found, commands) in [
            (wanted, &[][..]),
            (owner(1000, 1000, 0o755), &[chmod]),
            (owner(0, 1000, 0o700), &[chown]),
            (owner(1000, 0, 0o700), &[chown]),
            (owner(0, 0, 0o755), &[chown, chmod]),
        ] {
            assert_eq!(amends(found, wanted, &path), commands, "{found}");
        }
    }
}
