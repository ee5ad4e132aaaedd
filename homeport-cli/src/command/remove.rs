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

/// `remove` never takes data away, whatever other programs understand by such words: nothing is done at all.
pub(super) fn refuse_data(name: &InstanceName) -> Failure {
    Failure::Usage {
        message: format!("`remove` keeps the volumes of `{name}`, and nothing was done"),
        help: "leave the option out; to give the data up as well, look at `homeport purge NAME --dry-run`",
    }
}
