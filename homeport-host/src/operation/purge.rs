//! Owns giving volumes up: with consent, their data goes to the trash. [spec: VOL-24]

use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::{InstanceName, VolumeName};
use homeport_core::unit::Bytes;
use homeport_volumes::progress::Progress as _;
use homeport_volumes::trash::{Measured, TrashError, TrashPlace, list, measure, measure_trashed};
use homeport_volumes::tree::Timestamp;
use homeport_volumes::{Checked, Lost, Origin, TxId, VolumePath, check, lost};

use super::consent::Question;
use super::data_error::DataError;
use super::enter::{enter, ready};
use super::lifecycle::grace;
use super::remove::Execution;
use super::replace::{as_faults, volume_of};
use super::trash::InnerTree;
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
    /// The volumes of which nothing is there: they are forgotten, and nothing is deleted.
    pub lost: Vec<LostVolume>,
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
    /// What is in its own trash and goes the same way: it is kept, and ends, with the volume. Not counted above.
    pub inner: Vec<InnerTree>,
}

/// One volume that is let go because nothing of it is there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LostVolume {
    /// The volume.
    pub name: VolumeName,
    /// Its identity.
    pub uuid: String,
    /// Where it should be.
    pub path: PathBuf,
    /// How often it was taken into use.
    pub generation: u64,
    /// Whether there is a directory without anything in it; otherwise there is none.
    pub is_blank: bool,
}

/// What was found of a volume.
enum Found {
    There(Measured, Vec<InnerTree>),
    Lost(Lost),
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
    let (since, bundle) = (ledger.not_before_known(&host.now())?, TxId::random());
    let kept_until = since.after(KEPT);
    let (mut shown, mut steps, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let (mut gone, mut forgotten) = (Vec::new(), Vec::new());
    for volume in &volumes {
        match count(host, ledger, root, volume)? {
            Ok(Found::Lost(how)) => {
                forgotten.push(known::uuid(volume)?);
                gone.push(LostVolume {
                    name: volume.name.clone(),
                    uuid: volume.uuid.clone(),
                    path: volume.path.clone(),
                    generation: volume.generation,
                    is_blank: how == Lost::Blank,
                });
            }
            Ok(Found::There(counted, inner)) => {
                steps.push(PurgedVolume {
                    volume: volume.name.clone(),
                    uuid: known::uuid(volume)?,
                    tx: TxId::random(),
                    entries: counted.entries,
                    bytes: counted.bytes.get(),
                    since: since.clone(),
                    until: kept_until.clone(),
                });
                shown.push(show(volume, counted, inner));
            }
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(OperationError::Refused { what: format!("purge of `{instance}`"), faults });
    }
    let snapshots = find::catalog(ledger)?
        .map_or(0, |(_, catalog)| catalog.snapshots.iter().filter(|head| head.body.instance == *instance).count());
    let retiring = ledger.retiring(instance)?;
    let going = record.as_ref().map(|record| (grace(record), retiring.as_slice()));
    let plan = PurgePlan {
        instance: instance.clone(),
        instance_goes: record.is_some(),
        plan: plan::purge(instance, bundle, &steps, &forgotten, going),
        volumes: shown,
        lost: gone,
        snapshots,
    };
    let question = Question {
        command: format!("purge {instance}"),
        facts: facts(&plan),
        needed: Some(if plan.volumes.is_empty() && !plan.lost.is_empty() {
            "it forgets volumes whose disks may only be not mounted".to_owned()
        } else {
            "it takes data out of use and, after 30 days, deletes it".to_owned()
        }),
    };
    Ok(Prepared { plan, bundle, kept_until, question })
}

/// Counts what is in a volume, after it was checked; the faults where it is not what is known.
fn count(
    host: &Host,
    ledger: &Ledger,
    root: &RootId,
    volume: &VolumeRecord,
) -> Result<Result<Found, Vec<Fault>>, OperationError> {
    let (request, known) = known::ask(host, ledger, root, volume)?;
    match lost(&host.machine, &request, &known) {
        Ok(Some(how)) => return Ok(Ok(Found::Lost(how))),
        Ok(None) => {}
        Err(error) => return Ok(Err(as_faults(&volume.name, error))),
    }
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
    let counted = counted.map_err(|source| DataError::Uncountable { instance, volume: name, source })?;
    // In a directory of the operator's the volume's own trash stays where it is.
    let inner = match &request.origin {
        Origin::Default { .. } => inside(host, ledger, &request.path)?,
        Origin::Operator => Vec::new(),
    };
    Ok(Ok(Found::There(counted, inner)))
}

/// What is in a volume's own trash, counted.
fn inside(host: &Host, ledger: &Ledger, path: &VolumePath) -> Result<Vec<InnerTree>, OperationError> {
    let listing = list(&known::data_root(host)?, std::slice::from_ref(path)).map_err(DataError::from)?;
    let place = TrashPlace::Volume(path.clone());
    let trees = listing.trees.iter().filter(|tree| tree.place == place);
    trees
        .map(|tree| {
            let records = ledger.trash_of(tree.note.tx)?;
            let mut inner = InnerTree::of(&tree.note, records.iter().find(|record| record.tx == tree.note.tx));
            match measure_trashed(&place, inner.tx, &mut |_| {}) {
                Ok(counted) => (inner.entries, inner.bytes) = (Some(counted.entries), Some(counted.bytes)),
                Err(TrashError::Unfinished { .. }) => {}
                Err(error) => return Err(DataError::from(error).into()),
            }
            Ok(inner)
        })
        .collect()
}

fn show(volume: &VolumeRecord, counted: Measured, inner: Vec<InnerTree>) -> PurgeVolume {
    PurgeVolume {
        name: volume.name.clone(),
        uuid: volume.uuid.clone(),
        path: volume.path.clone(),
        generation: volume.generation,
        entries: counted.entries,
        bytes: counted.bytes,
        newest: (counted.entries > 1).then(|| Time::of_unix(counted.newest.seconds(), counted.newest.nanos())),
        inner,
    }
}

/// What consent to a purge goes by: every volume, how often it was used, and how much is in it.
fn facts(plan: &PurgePlan) -> Facts {
    let facts = Facts::default().with("instance goes too", if plan.instance_goes { "yes" } else { "no" });
    let facts = plan.lost.iter().fold(facts, |facts, volume| {
        let about = |what: &str| format!("volume {}: {what}", volume.name);
        facts
            .with(about("uuid"), &volume.uuid)
            .with(about("path"), volume.path.display())
            .with(about("generation"), volume.generation)
            .with(about("there"), if volume.is_blank { "a blank directory" } else { "nothing" })
    });
    plan.volumes.iter().fold(facts, |facts, volume| {
        let about = |what: &str| format!("volume {}: {what}", volume.name);
        let facts = volume.inner.iter().fold(facts, |facts, inner| {
            let count = |count: Option<u64>| count.map_or_else(|| "not counted".to_owned(), |count| count.to_string());
            facts
                .with(about(&format!("in its trash {}: entries", inner.tx)), count(inner.entries))
                .with(about(&format!("in its trash {}: bytes", inner.tx)), count(inner.bytes.map(Bytes::get)))
        });
        facts
            .with(about("uuid"), &volume.uuid)
            .with(about("path"), volume.path.display())
            .with(about("generation"), volume.generation)
            .with(about("entries"), volume.entries)
            .with(about("bytes"), volume.bytes)
            .with(about("newest"), volume.newest.as_ref().map_or("never", |time| time.as_str()))
    })
}
