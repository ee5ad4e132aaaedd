//! Owns what an operation tells while it runs. Never writes to a terminal: whoever listens does.

use std::fmt;

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
