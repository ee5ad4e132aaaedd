//! Owns how a command that can be planned first is asked for. Never decides whether consent is needed: the host does.

use homeport_host::operation::{Execution, Outcome};

use crate::args::Consent;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Render;

impl Consent {
    /// Whether the command is carried out.
    pub(crate) const fn execution(&self) -> Execution {
        execution(self.dry_run)
    }
}

/// Whether a command is carried out.
pub(super) const fn execution(dry_run: bool) -> Execution {
    if dry_run { Execution::DryRun } else { Execution::Real }
}

/// Prints what was done, or what would be.
pub(super) fn tell<P: Render, D: Render>(context: &Context, outcome: &Outcome<P, D>) -> Result<Exit, Failure> {
    context.print(outcome)?;
    Ok(Exit::Done)
}
