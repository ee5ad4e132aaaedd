//! Owns the way into every operation that changes something: root, directories, the lock, the ledger, and what was cut off.
//! Never does what was asked for itself.

use homeport_core::name::InstanceName;

use super::error::OperationError;
use super::lifecycle;
use crate::host::{Host, now};
use crate::ledger::{Desired, EventRecord, InstanceRecord, Ledger, LedgerWriter, RootId};
use crate::oplock::{OperationLock, Wait};
use crate::plan::Kind;
use crate::progress::Event;
use crate::run::{RunError, resume};

/// Runs `work` with the ledger open for writing, alone, after what was cut off has been brought to an end.
///
/// `about` is the instance that the operation is about: where an earlier one on it is stuck, nothing is done.
pub(super) fn enter<T>(
    host: &Host,
    kind: Kind,
    about: &InstanceName,
    work: impl FnOnce(&mut LedgerWriter<'_>, &RootId) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    locked(host, &format!("{kind} {about}"), |writer, root| {
        let resumed = resume(host, writer, root)?;
        if resumed.died {
            return Err(RunError::Died { kind, instance: about.clone() }.into());
        }
        for name in &resumed.interrupted {
            if name != about || !matches!(kind, Kind::Stop | Kind::Remove | Kind::Start | Kind::Restart | Kind::Purge) {
                bring_back(host, writer, root, name)?;
            }
        }
        if let Some((name, reason)) = resumed.stuck.into_iter().find(|(name, _)| name == about) {
            return Err(OperationError::Stuck { name, reason });
        }
        work(writer, root)
    })
}

/// Brings to an end what was cut off, if anything was, without anything new to do. Where another operation runs, that one
/// sees to it: this returns its lock's error.
pub fn resume_cut_off(host: &Host) -> Result<(), OperationError> {
    resume_all(host).map(drop)
}

/// The same, and which instances are stuck all the same, each with the reason.
pub(super) fn resume_all(host: &Host) -> Result<Vec<(InstanceName, String)>, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    if ledger.open_operation()?.is_none() && ledger.stuck_operations()?.is_empty() {
        return Ok(Vec::new());
    }
    drop(ledger);
    locked(host, "resume", |writer, root| {
        let resumed = resume(host, writer, root)?;
        resumed.interrupted.iter().try_for_each(|name| bring_back(host, writer, root, name))?;
        Ok(resumed.stuck)
    })
}

/// Runs `work` with the ledger open for writing, alone. What was cut off stays as it is: only for what is no operation on an
/// instance.
pub(super) fn locked<T>(
    host: &Host,
    command: &str,
    work: impl FnOnce(&mut LedgerWriter<'_>, &RootId) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    host.layout.prepare()?;
    let wait = if host.patience.is_zero() { Wait::No } else { Wait::For(host.patience) };
    let lock = OperationLock::acquire(&host.layout, wait, command, now(), |waiting| {
        let what =
            waiting.holder.as_ref().map_or("another operation".to_owned(), |holder| format!("`{}`", holder.command));
        host.progress.event(&Event::WaitingFor { what });
    })?;
    let mut writer = LedgerWriter::open(&lock)?;
    let root = writer.create_root(&now())?;
    work(&mut writer, &root)
}

/// Writes one line into the history.
pub(crate) fn append_event(host: &Host, event: &EventRecord) -> Result<(), OperationError> {
    locked(host, "history", |writer, _| Ok(writer.append_event(event).map(|_| ())?))
}

/// Refuses early what only root can do, and what needs an engine that is not there.
pub(super) fn ready(host: &Host) -> Result<(), OperationError> {
    as_root()?;
    Ok(host.engine.ping()?)
}

/// Refuses early what only root can do.
pub(super) fn as_root() -> Result<(), OperationError> {
    let uid = rustix::process::geteuid();
    if uid.is_root() { Ok(()) } else { Err(OperationError::NotRoot { uid: uid.as_raw() }) }
}

/// Starts an instance whose replacement was cut off.
fn bring_back(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    name: &InstanceName,
) -> Result<(), OperationError> {
    let wanted = writer.instance(name)?.is_some_and(|record| record.desired == Desired::Running);
    if !wanted {
        return Ok(());
    }
    match lifecycle::bring_back_in(host, writer, root, name) {
        Err(OperationError::Run(RunError::Died { kind, instance })) => Err(RunError::Died { kind, instance }.into()),
        Err(error) => {
            host.progress
                .event(&Event::Warning { text: format!("`{name}` should run and could not be started: {error}") });
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// The record of an instance, or that there is none, with the names that there are.
pub(super) fn known(ledger: &Ledger, name: &InstanceName) -> Result<InstanceRecord, OperationError> {
    match ledger.instance(name)? {
        Some(record) => Ok(record),
        None => Err(OperationError::NoInstance {
            name: name.clone(),
            known: ledger.instances()?.into_iter().map(|record| record.name.to_string()).collect(),
        }),
    }
}
