//! Owns what a restore and its undo have in common: looking at the instance and its volumes, the plan around the
//! exchange, carrying it out, and bringing back what ran where that fails. Never decides what takes the place.

use std::path::Path;

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::{CommandName, InstanceName, VolumeName};
use homeport_core::unit::Seconds;
use homeport_volumes::check_readable;
use homeport_volumes::store::SnapshotUuid;
use homeport_volumes::{TxId, VolumeError};

use super::error::OperationError;
use super::lifecycle::{self, Running};
use super::survey::{Survey, recorded_image};
use super::{data_error::DataError, observe};
use crate::approval::TokenUse;
use crate::container::stop_grace;
use crate::host::Host;
use crate::ledger::{Desired, InstanceRecord, Ledger, LedgerWriter, RetiringRecord, RootId, Time, VolumeRecord};
use crate::plan::{Around, Kind, Now, Plan, Replacing};
use crate::run::{RunError, Session, known, with_causes};

/// The instance around the volumes that are replaced.
pub(super) struct Surroundings {
    /// What is to run again.
    survey: Option<Survey>,
    /// How long a container has to stop; `None` where none runs.
    grace: Option<Seconds>,
    /// Whether one runs.
    now: Now,
    /// Whether it is started again as a part of the plan.
    starts: bool,
    /// Whether it should run, and can be started only when the data is there again.
    starts_later: bool,
    hook: Option<(CommandName, Seconds)>,
    /// Containers of an earlier version that still have clients.
    retiring: Vec<RetiringRecord>,
    /// The volumes that can be read: a snapshot is made of them before.
    pub(super) readable: Vec<VolumeName>,
    /// Those that hold something that cannot be read, and why.
    pub(super) unreadable: Vec<(VolumeName, String)>,
    pub(super) warnings: Vec<String>,
}

/// What a replacement came to.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) before: Option<SnapshotUuid>,
    pub(super) kept_until: Time,
    pub(super) running: Option<Running>,
    /// Why the instance, which should run, does not.
    pub(super) not_running: Option<String>,
    pub(super) warnings: Vec<String>,
}

impl Surroundings {
    /// Looks at the instance and at those of its volumes that are to be replaced.
    pub(super) fn of(
        host: &Host,
        ledger: &Ledger,
        root: &RootId,
        instance: &InstanceName,
        replaced: &[VolumeRecord],
    ) -> Result<Self, OperationError> {
        let record = ledger.instance(instance)?;
        let mut found = Self {
            survey: None,
            grace: None,
            now: Now::Stands,
            starts: false,
            starts_later: false,
            hook: None,
            retiring: ledger.retiring(instance)?,
            readable: Vec::new(),
            unreadable: Vec::new(),
            warnings: Vec::new(),
        };
        found.look_at_volumes(host, ledger, root, record.as_ref(), replaced)?;
        if let Some(record) = &record {
            found.look_at_instance(host, ledger, root, record)?;
        }
        Ok(found)
    }

    /// Which volumes can be read now: those that are replaced, and whatever else belongs into a snapshot.
    fn look_at_volumes(
        &mut self,
        host: &Host,
        ledger: &Ledger,
        root: &RootId,
        record: Option<&InstanceRecord>,
        replaced: &[VolumeRecord],
    ) -> Result<(), OperationError> {
        let mut all = replaced.to_vec();
        if let Some(first) = replaced.first() {
            let belonging = super::snapshot::volumes_for(ledger, &first.instance, record, &mut Vec::new());
            all.extend(belonging.unwrap_or_default().into_iter().filter(|one| !replaced.contains(one)));
        }
        for volume in &all {
            if is_blank(&volume.path) {
                continue;
            }
            let (request, known) = known::ask(host, ledger, root, volume)?;
            match check_readable(&host.machine, &request, &known) {
                Ok(_) => self.readable.push(volume.name.clone()),
                Err(error) if replaced.contains(volume) => {
                    self.unreadable.push((volume.name.clone(), with_causes(&error)));
                }
                Err(error) => self.warnings.push(format!(
                    "the snapshot of what is there now is without `{}`, which is not replaced: {}",
                    volume.name,
                    with_causes(&error)
                )),
            }
        }
        Ok(())
    }

    fn look_at_instance(
        &mut self,
        host: &Host,
        ledger: &Ledger,
        root: &RootId,
        record: &InstanceRecord,
    ) -> Result<(), OperationError> {
        let name = &record.name;
        let image = recorded_image(record)?;
        let hook = image.manifest.hooks.post_restore.clone();
        let wanted = record.desired == Desired::Running;
        let runs = observe::is_running(host, record)?;
        self.now = if runs { Now::Runs } else { Now::Stands };
        self.grace = (wanted || runs).then(|| stop_grace(&image.manifest));
        if !wanted && hook.is_none() {
            return Ok(());
        }
        match lifecycle::existing(host, ledger, root, record, format!("restore of `{name}`")) {
            Ok((survey, _)) => {
                self.starts = wanted;
                self.hook = hook.map(|command| {
                    let within = image.manifest.commands.get(&command).map_or(Seconds::new(600), |found| found.within);
                    (command, within)
                });
                self.survey = Some(survey);
            }
            // What is there cannot be started, which may be why it is to be replaced.
            Err(OperationError::Refused { faults, .. }) => {
                self.starts_later = wanted;
                if let Some(command) = hook {
                    let first = faults.first().map(ToString::to_string).unwrap_or_default();
                    self.warnings.push(format!("the port's command `{command}` is not run: {first}"));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Why what is there now cannot be kept as a snapshot; `None` where it can. [spec: STO-32]
    pub(super) fn cannot_be_kept(&self) -> Option<String> {
        let why = |(name, error): &(VolumeName, String)| {
            format!("no snapshot can be made of what `{name}` holds now: {error}")
        };
        let why: Vec<String> = self.unreadable.iter().map(why).collect();
        (!why.is_empty()).then(|| why.join("; "))
    }

    /// The plan with these volumes.
    pub(super) fn plan(&self, kind: Kind, instance: &InstanceName, bundle: TxId, volumes: &[Replacing]) -> Plan {
        let blueprint = self.survey.as_ref().map(|survey| &survey.blueprint);
        let around = Around {
            stop: self.grace,
            now: self.now,
            running: blueprint.filter(|_| self.starts),
            hook: self.hook.clone().filter(|_| blueprint.is_some()),
            present: self.readable.clone(),
            retiring: self.retiring.clone(),
        };
        match kind {
            Kind::Undo => crate::plan::undo(instance, bundle, volumes, &around),
            _ => crate::plan::restore(instance, bundle, volumes, &around),
        }
    }

    /// Carries the plan out; where it fails and is taken back, what ran before runs again.
    pub(super) fn carry_out(
        self,
        host: &Host,
        writer: &mut LedgerWriter<'_>,
        root: &RootId,
        plan: &Plan,
        approval: Option<TokenUse>,
    ) -> Result<Replaced, OperationError> {
        let (name, starts, starts_later) = (plan.instance.clone(), self.starts, self.starts_later);
        let mut warnings = self.warnings;
        let notices = self.survey.as_ref().map(|survey| survey.notices.clone()).unwrap_or_default();
        let mut session = Session::new(host, writer, root.clone(), plan.kind, name.clone()).approved(approval);
        if let Some(survey) = self.survey {
            session = session.toward(survey.blueprint, survey.checked);
        }
        let done = session.run(plan);
        match done {
            Ok(()) => {
                let (before, kept) = (session.before, std::mem::take(&mut session.kept));
                match session.follow() {
                    Ok(()) => {}
                    Err(RunError::Died { kind, instance }) => return Err(RunError::Died { kind, instance }.into()),
                    Err(error) => warnings.push(format!(
                        "what was taken out is not in the trash yet, and the next command puts it there: {}",
                        with_causes(&error)
                    )),
                }
                drop(session);
                let (running, not_running) = match (starts, starts_later) {
                    (false, false) => (None, None),
                    (true, _) => told(lifecycle::running(host, writer, &name, notices)),
                    (false, true) => start_now(host, writer, root, &name, notices)?,
                };
                let warning = |why: &String| format!("`{name}` should run and could not be started: {why}");
                warnings.extend(not_running.as_ref().map(warning));
                let kept_until = kept.into_iter().map(|record| record.until).max().unwrap_or_else(|| host.now());
                Ok(Replaced { before, kept_until, running, not_running, warnings })
            }
            Err(failed @ RunError::Undone { .. }) if starts => {
                drop(session);
                match lifecycle::bring_back_in(host, writer, root, &name) {
                    Ok(()) => Err(failed.into()),
                    Err(source) => Err(OperationError::NotRestored {
                        name,
                        failed: Box::new(failed.into()),
                        source: Box::new(source),
                    }),
                }
            }
            Err(failed) => Err(failed.into()),
        }
    }
}

/// Starts an instance whose data is there again. That it cannot be started takes nothing back: what was asked for is done.
fn start_now(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    name: &InstanceName,
    notices: Vec<Fault>,
) -> Result<(Option<Running>, Option<String>), OperationError> {
    match lifecycle::bring_back_in(host, writer, root, name) {
        Ok(()) => Ok(told(lifecycle::running(host, writer, name, notices))),
        Err(OperationError::Run(RunError::Died { kind, instance })) => Err(RunError::Died { kind, instance }.into()),
        Err(error) => {
            let mut why = with_causes(&error);
            for route in writer.routes(name)? {
                let id = homeport_router::RouteId { instance: name.clone(), endpoint: route.endpoint };
                if let Err(error) = host.routes.close(&id, &[]) {
                    why = format!("{why}; and its address cannot be closed: {}", with_causes(&error));
                }
            }
            Ok((None, Some(why)))
        }
    }
}

/// The instance as it runs, or why nothing can be said of it.
fn told(running: Result<Running, OperationError>) -> (Option<Running>, Option<String>) {
    match running {
        Ok(running) => (Some(running), None),
        Err(error) => (None, Some(with_causes(&error))),
    }
}

/// Whether there is nothing in a volume, or nothing at all.
pub(super) fn is_blank(path: &Path) -> bool {
    match std::fs::read_dir(path.join("data")) {
        Ok(mut names) => names.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// What is wrong with a volume, as faults.
pub(super) fn as_faults(volume: &VolumeName, error: VolumeError) -> Vec<Fault> {
    match error {
        VolumeError::Refused(faults) => faults,
        error => {
            let fault = Fault::new(error.code(), format!("volumes.{volume}"), with_causes(&error));
            vec![fault.remedy(error.help().unwrap_or_default())]
        }
    }
}

/// The volume of this name that is known of the instance: that of its present port, where another port left one too.
pub(super) fn volume_of(
    ledger: &Ledger,
    instance: &InstanceName,
    volume: &VolumeName,
) -> Result<VolumeRecord, OperationError> {
    let records = ledger.volumes(instance)?;
    let known = records.iter().map(|record| record.name.to_string()).collect();
    let port = ledger.instance(instance)?.map(|record| record.port);
    let named = records.into_iter().filter(|record| record.name == *volume);
    let found = named.min_by_key(|record| port.as_ref().is_some_and(|port| record.port != *port));
    let missing = || DataError::UnknownVolume { instance: instance.clone(), volume: volume.clone(), known };
    Ok(found.ok_or_else(missing)?)
}
