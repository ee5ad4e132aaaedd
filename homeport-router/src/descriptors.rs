//! Owns the process's limit of open descriptors. Never opens one.

use std::fmt;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors the process may have open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DescriptorLimit(u64);

impl DescriptorLimit {
    /// The limit of this size.
    pub const fn new(descriptors: u64) -> Self {
        Self(descriptors)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The limit in force.
    pub fn current() -> Self {
        Self(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    /// Raises the limit as far as the process may by itself, and returns the one in force then.
    ///
    /// Service managers start processes with 1,024, which 500 connections use up.
    pub fn raise() -> io::Result<Self> {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
        Ok(Self::current())
    }
}

impl fmt::Display for DescriptorLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
