//! Owns showing every volume that is known, and checking them. Changes nothing but a volume's probe file.

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::manifest;
use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_volumes::{Checked, Counted, Known, Owner, Processes, Request, Reserve, RootId, check_among};

use crate::host::Host;
use crate::ledger::{HasData, Ledger, Origin, Time, VolumeRecord, VolumeState};
use crate::operation::OperationError;
use crate::operation::enter::as_root;
use crate::operation::find::known_or_kept;
use crate::operation::held::Held;
use crate::operation::notice::tell;
use crate::operation::replace::{as_faults, volume_of};
use crate::operation::survey::recorded_image;
use crate::run::known;

/// A volume that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VolumeEntry {
    /// The instance that it is of.
    pub instance: InstanceName,
    /// The instance's port.
    pub port: PortId,
    /// Its name.
    pub name: VolumeName,
    /// Its identity.
    pub uuid: String,
    /// Where it is.
    pub path: PathBuf,
    /// Who chose the path.
    pub origin: Origin,
    /// The format of its data.
    pub format: u32,
    /// How often it was taken into use.
    pub generation: u64,
    /// Whether it ever held data.
    pub has_data: HasData,
    /// Whether an instance uses it.
    pub state: VolumeState,
    /// When it was made.
    pub created: Time,
}

/// By what the owner and the mode of a volume's data were judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerRule {
    /// By what the port of its instance asks for. [spec: VOL-6]
    Port,
    /// By nothing: no instance has the volume, and a deploy judges them.
    AtDeploy,
}

/// What a check of one volume found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CheckedVolume {
    /// The volume.
    pub volume: VolumeEntry,
    /// Everything that is wrong with it; empty where it is safe to use.
    pub faults: Vec<Fault>,
    /// What is worth telling about it all the same.
    pub notices: Vec<Fault>,
    /// By what its owner and mode were judged.
    pub owner_rule: OwnerRule,
}

impl From<VolumeRecord> for VolumeEntry {
    fn from(record: VolumeRecord) -> Self {
        Self {
            instance: record.instance,
            port: record.port,
            name: record.name,
            uuid: record.uuid,
            path: record.path,
            origin: record.origin,
            format: record.format.get(),
            generation: record.generation,
            has_data: record.has_data,
            state: record.state,
            created: record.created,
        }
    }
}

/// Every volume, by instance and name, or those of one instance.
pub fn volume_list(host: &Host, instance: Option<&InstanceName>) -> Result<Vec<VolumeEntry>, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    Ok(wanted(&ledger, instance, None)?.into_iter().map(Into::into).collect())
}

/// Checks the volumes of one instance, or all, as a start would. A volume that its own container uses is no fault.
pub fn volume_check(
    host: &Host,
    instance: Option<&InstanceName>,
    volume: Option<&VolumeName>,
) -> Result<Vec<CheckedVolume>, OperationError> {
    as_root()?;
    let ledger = Ledger::open(&host.layout)?;
    let Some(root) = ledger.root_id()? else { return Ok(Vec::new()) };
    let mut checked = Vec::new();
    let processes = Processes::of(&host.machine);
    let held = Held::of(host, &ledger)?;
    for record in wanted(&ledger, instance, volume)? {
        let owner = ledger.instance(&record.instance)?.filter(|owner| owner.port == record.port);
        let declared = match &owner {
            Some(owner) => recorded_image(owner)?.manifest.volumes.get(&record.name).cloned(),
            None => None,
        };
        let counted = held.counted(&record);
        let question = ask(host, &ledger, &root, &record, declared.as_ref(), counted)?;
        let (faults, notices) = check_one(host, &processes, &record, question);
        tell(host, &notices);
        let owner_rule = if declared.is_some() { OwnerRule::Port } else { OwnerRule::AtDeploy };
        checked.push(CheckedVolume { volume: record.into(), faults, notices, owner_rule });
    }
    Ok(checked)
}

fn wanted(
    ledger: &Ledger,
    instance: Option<&InstanceName>,
    volume: Option<&VolumeName>,
) -> Result<Vec<VolumeRecord>, OperationError> {
    match (instance, volume) {
        (None, _) => Ok(ledger.all_volumes()?),
        (Some(instance), None) => {
            known_or_kept(ledger, instance)?;
            Ok(ledger.volumes(instance)?)
        }
        (Some(instance), Some(volume)) => {
            known_or_kept(ledger, instance)?;
            Ok(vec![volume_of(ledger, instance, volume)?])
        }
    }
}

/// The question for one volume, for its instance's next start or for nobody's; or why it cannot be asked.
fn ask(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    record: &VolumeRecord,
    declared: Option<&manifest::Volume>,
    counted: Option<Counted>,
) -> Result<Result<(Request, Known), Vec<Fault>>, OperationError> {
    let (mut request, known) = match known::ask(host, ledger, root, record) {
        Ok((request, known)) => (request, Known { counted, ..known }),
        Err(crate::run::StepError::Volume(error)) => return Ok(Err(as_faults(&record.name, error))),
        Err(error) => return Err(error.into()),
    };
    request.tolerated = known::own_processes(host, root, &record.instance)?;
    if let Some(declared) = declared {
        (request.format, request.min_format) = (declared.format, declared.min_format);
        request.owner = Owner { uid: declared.uid, gid: declared.gid, mode: declared.mode };
        request.reserve = Reserve { bytes: declared.min_free_bytes, inodes: declared.min_free_inodes };
    }
    Ok(Ok((request, known)))
}

/// Everything that is wrong with one volume, or what is worth telling about it.
fn check_one(
    host: &Host,
    processes: &Processes,
    record: &VolumeRecord,
    question: Result<(Request, Known), Vec<Fault>>,
) -> (Vec<Fault>, Vec<Fault>) {
    let (request, known) = match question {
        Ok(asked) => asked,
        Err(faults) => return (faults, Vec::new()),
    };
    match check_among(&host.machine, processes, &request, Some(&known)) {
        Ok(Checked::Attach(ready)) => (Vec::new(), ready.notices().to_vec()),
        Ok(Checked::Create(_)) => (Vec::new(), Vec::new()),
        Err(error) => (as_faults(&record.name, error), Vec::new()),
    }
}
