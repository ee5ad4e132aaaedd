//! `homeport remove`.

use homeport_core::name::InstanceName;
use homeport_host::operation::{Execution, remove};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Removal, RemovedReport};

pub(super) fn run(context: &Context, name: &InstanceName, dry_run: bool) -> Result<Exit, Failure> {
    let (execution, outcome) =
        if dry_run { (Execution::DryRun, Removal::Planned) } else { (Execution::Real, Removal::Removed) };
    let removed = remove(&context.host()?, name, execution)?;
    context.print(&RemovedReport::new(outcome, removed))?;
    Ok(Exit::Done)
}
