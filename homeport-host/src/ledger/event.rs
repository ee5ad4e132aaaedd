//! Owns one line of an instance's history. Never decides what is worth a line.

use homeport_core::name::InstanceName;

use super::id::OperationId;
use super::time::Time;

/// Something that happened, in words. Never holds a secret: it is shown to whoever asks for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// When it happened.
    pub time: Time,
    /// The instance; `None` for what concerns them all.
    pub instance: Option<InstanceName>,
    /// The operation in which it happened, if in any.
    pub operation: Option<OperationId>,
    /// What kind of event, as one stable word, for example `started`.
    pub kind: String,
    /// What happened, for a person.
    pub text: String,
}
