//! Owns giving volumes up: with consent, their data goes to the trash. [spec: VOL-24]

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::progress::Progress as _;
use homeport_volumes::trash::{Measured, measure};
use homeport_volumes::tree::Timestamp;
use homeport_volumes::{Checked, TxId, check};

use super::consent::Question;
use super::data_error::DataError;
use super::enter::{enter, ready};
use super::lifecycle::grace;
use super::remove::Execution;
use super::replace::{as_faults, volume_of};
use super::{OperationError, Outcome, find, observe};
use crate::approval::Facts;
use crate::host::Host;
use crate::ledger::{Desired, Ledger, RootId, Time, VolumeRecord};
use crate::plan::{self, Kind, Plan, PurgedVolume};
use crate::progress::Meter;
use crate::request::PurgeRequest;
use crate::run::{KEPT, Session, known};

/// What a purge would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PurgePlan {
    /// The instance.
    pub instance: InstanceName,
    /// Whether the instance itself is there and goes too.
    pub instance_goes: bool,
    /// The volumes that go to the trash.
    pub volumes: Vec<PurgeVolume>,
    /// How many snapshots there are of the instance; they stay.
    pub snapshots: usize,
    /// The steps.
    pub plan: Plan,
}

/// One volume that goes to the trash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PurgeVolume {
    /// The volume.
    pub name: VolumeName,
    /// Its identity.
    pub uuid: String,
    /// Its directory.
    pub path: PathBuf,
    /// How often it was taken into use.
    pub generation: u64,
    /// How many entries it has.
    pub entries: u64,
    /// The bytes of their files.
    pub bytes: Bytes,
    /// When anything in it was changed last.
    pub newest: Option<Time>,
}

/// A purge that is done.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Purged {
    /// What was planned, and done.
    pub plan: PurgePlan,
    /// What went is in the trash under this id: `homeport trash restore ID` brings it back.
    pub trash: TxId,
    /// Until when it is kept at least.
    pub kept_until: Time,
}

/// Everything that is known before a purge.
struct Prepared {
    plan: PurgePlan,
    bundle: TxId,
    kept_until: Time,
    question: Question,
}

/// Gives an instance and its volumes up, or volumes that an instance left.
pub fn purge(host: &Host, request: &PurgeRequest) -> Result<Outcome<PurgePlan, Purged>, OperationError> {
    ready(host)?;
    let instance = &request.instance;
    enter(host, Kind::Purge, instance, |writer, root| {
        let Prepared { plan, bundle, kept_until, question } = prepare(host, writer, root, request)?;
        if request.execution == Execution::DryRun {
            let approval = question.offer(host, writer)?;
            return Ok(Outcome::Planned { plan, approval });
        }
        let approval = question.consent(host, writer, request.approve.as_ref())?;
        let session = Session::new(host, writer, root.clone(), Kind::Purge, instance.clone());
        session.approved(approval).run(&plan.plan)?;
        Ok(Outcome::Done(Purged { plan, trash: bundle, kept_until }))
    })
}

fn prepare(host: &Host, ledger: &Ledger, root: &RootId, request: &PurgeRequest) -> Result<Prepared, OperationError> {
    let instance = &request.instance;
    find::known_or_kept(ledger, instance)?;
    let record = ledger.instance(instance)?;
    if let Some(record) = &record {
        if record.desired == Desired::Running || observe::is_running(host, record)? {
            let why = "what it writes could not be counted, and consent is to what was counted";
            return Err(DataError::Runs { instance: instance.clone(), why }.into());
        }
        if !request.volumes.is_empty() {
            let why = "an instance keeps all of its volumes, or goes with all of them".to_owned();
            return Err(DataError::NoVolume { instance: instance.clone(), why }.into());
        }
    }
    let mut volumes = ledger.volumes(instance)?;
    if !request.volumes.is_empty() {
        for volume in &request.volumes {
            volume_of(ledger, instance, volume)?;
        }
        volumes.retain(|volume| request.volumes.contains(&volume.name));
    }
    let (since, bundle) = (host.now(), TxId::random());
    let kept_until = since.after(KEPT);
    let (mut shown, mut steps, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for volume in &volumes {
        match count(host, ledger, root, volume)? {
            Ok(counted) => {
                steps.push(PurgedVolume {
                    volume: volume.name.clone(),
                    uuid: known::uuid(volume)?,
                    tx: TxId::random(),
                    entries: counted.entries,
                    bytes: counted.bytes.get(),
                    since: since.clone(),
                    until: kept_until.clone(),
                });
                shown.push(show(volume, counted));
            }
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(OperationError::Refused { what: format!("purge of `{instance}`"), faults });
    }
    let snapshots = find::catalog(ledger)?
        .map_or(0, |(_, catalog)| catalog.snapshots.iter().filter(|head| head.body.instance == *instance).count());
    let plan = PurgePlan {
        instance: instance.clone(),
        instance_goes: record.is_some(),
        plan: plan::purge(instance, bundle, &steps, record.as_ref().map(grace)),
        volumes: shown,
        snapshots,
    };
    let question = Question {
        command: format!("purge {instance}"),
        facts: facts(&plan),
        needed: Some("it takes data out of use and, after 30 days, deletes it".to_owned()),
    };
    Ok(Prepared { plan, bundle, kept_until, question })
}

/// Counts what is in a volume, after it was checked; the faults where it is not what is known.
fn count(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    volume: &VolumeRecord,
) -> Result<Result<Measured, Vec<Fault>>, OperationError> {
    let (request, known) = known::ask(host, ledger, root, volume)?;
    let ready = match check(&host.machine, &request, Some(&known)) {
        Ok(Checked::Attach(ready)) => ready,
        Ok(Checked::Create(_)) => {
            return Ok(Err(vec![Fault::new("HP-VOL-005", format!("volumes.{}", volume.name), "there is no volume")]));
        }
        Err(error) => return Ok(Err(as_faults(&volume.name, error))),
    };
    // The checked directory itself, whatever happens to its path.
    drop(ready);
    let readable = match homeport_volumes::check_readable(&host.machine, &request, &known) {
        Ok(readable) => readable,
        Err(error) => return Ok(Err(as_faults(&volume.name, error))),
    };
    let meter = Meter::new(&*host.progress, format!("count what is in `{}`", volume.name));
    let mut told = Measured { entries: 0, bytes: Bytes::new(0), newest: Timestamp::EPOCH };
    let counted = measure(readable.data(), &mut |now| {
        meter.advance(now.bytes.get() - told.bytes.get(), now.entries - told.entries);
        told = *now;
    });
    let (instance, name) = (volume.instance.clone(), volume.name.clone());
    Ok(Ok(counted.map_err(|source| DataError::Uncountable { instance, volume: name, source })?))
}

fn show(volume: &VolumeRecord, counted: Measured) -> PurgeVolume {
    PurgeVolume {
        name: volume.name.clone(),
        uuid: volume.uuid.clone(),
        path: volume.path.clone(),
        generation: volume.generation,
        entries: counted.entries,
        bytes: counted.bytes,
        newest: (counted.entries > 1).then(|| Time::of_unix(counted.newest.seconds(), counted.newest.nanos())),
    }
}

/// What consent to a purge goes by: every volume, how often it was used, and how much is in it.
fn facts(plan: &PurgePlan) -> Facts {
    let facts = Facts::default().with("instance goes too", if plan.instance_goes { "yes" } else { "no" });
    plan.volumes.iter().fold(facts, |facts, volume| {
        let about = |what: &str| format!("volume {}: {what}", volume.name);
        facts
            .with(about("uuid"), &volume.uuid)
            .with(about("path"), volume.path.display())
            .with(about("generation"), volume.generation)
            .with(about("entries"), volume.entries)
            .with(about("bytes"), volume.bytes)
            .with(about("newest"), volume.newest.as_ref().map_or("never", |time| time.as_str()))
    })
}
