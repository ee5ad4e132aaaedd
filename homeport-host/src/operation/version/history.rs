//! Owns what is told of an instance's past: what was done to it, when, how it ended and why. Never changes anything.

use homeport_core::name::InstanceName;

use crate::host::Host;
use crate::ledger::{Ledger, Time};
use crate::operation::OperationError;

/// The most lines that are told.
const MOST: u32 = 10_000;

/// One line of an instance's history.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HistoryLine {
    /// When it happened.
    pub time: Time,
    /// What happened, as one stable word: the kind of an operation, or `snapshot` and the like.
    pub kind: String,
    /// How it ended and why, in words.
    pub text: String,
}

/// The history of an instance, the newest `limit` lines, oldest first. What an instance that was removed left is told too.
pub fn history(host: &Host, name: &InstanceName, limit: Option<u32>) -> Result<Vec<HistoryLine>, OperationError> {
    let ledger = Ledger::open(&host.layout)?;
    let events = ledger.events(Some(name), limit.unwrap_or(MOST).min(MOST))?;
    if events.is_empty() && ledger.instance(name)?.is_none() {
        let known = ledger.instances()?.into_iter().map(|record| record.name.to_string()).collect();
        return Err(OperationError::NoInstance { name: name.clone(), known });
    }
    Ok(events.into_iter().map(|event| HistoryLine { time: event.time, kind: event.kind, text: event.text }).collect())
}
