//! Owns what an operation tells while it runs. Never writes to a terminal: whoever listens does.

mod meter;

pub(crate) use meter::Meter;

use std::fmt;
use std::time::Duration;

/// Something that a person who waits may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An operation of another process has to end first.
    WaitingFor {
        /// What is being waited for.
        what: String,
    },
    /// A step begins.
    Step {
        /// Which one, from 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// What it does.
        text: String,
    },
    /// The port itself said what it is doing.
    PortSays {
        /// Its words.
        text: String,
    },
    /// Long work on data goes on; told a few times a second.
    Work {
        /// What is being done, for example `read volume home`.
        what: String,
        /// Bytes that are done.
        bytes: u64,
        /// Bytes that there are, where that is known.
        of_bytes: Option<u64>,
        /// Entries that are done.
        entries: u64,
        /// Entries that there are, where that is known.
        of_entries: Option<u64>,
        /// How long it is going to take, by how long it took until now; `None` where that cannot be said yet.
        left: Option<Duration>,
    },
    /// Something went wrong and what was done is being taken back.
    Undoing {
        /// What is being taken back.
        text: String,
    },
    /// An earlier operation that was cut off is being brought to an end.
    Resuming {
        /// Which one.
        what: String,
    },
    /// Something that a person should know, and that stops nothing.
    Warning {
        /// What.
        text: String,
    },
}

/// Listens to an operation.
pub trait Progress: Send + Sync + fmt::Debug {
    /// Hears of one event; must return soon.
    fn event(&self, event: &Event);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: &Event) {}
}
