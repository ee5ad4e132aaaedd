//! `homeport start`, `homeport stop` and `homeport restart`.

use homeport_core::name::InstanceName;
use homeport_host::operation::{self, LifecycleOutcome};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, RunningReport, StoppedReport};

pub(super) fn start(context: &Context, name: &InstanceName) -> Result<Exit, Failure> {
    let (outcome, running) = operation::start(&context.host()?, name)?;
    let outcome = match outcome {
        LifecycleOutcome::Changed => Outcome::Started,
        LifecycleOutcome::Unchanged => Outcome::Unchanged,
    };
    context.print(&RunningReport::new(outcome, running, &Context::public_name()))?;
    Ok(Exit::Done)
}

pub(super) fn restart(context: &Context, name: &InstanceName) -> Result<Exit, Failure> {
    let running = operation::restart(&context.host()?, name)?;
    context.print(&RunningReport::new(Outcome::Restarted, running, &Context::public_name()))?;
    Ok(Exit::Done)
}

pub(super) fn stop(context: &Context, name: &InstanceName) -> Result<Exit, Failure> {
    let outcome = operation::stop(&context.host()?, name)?;
    context.print(&StoppedReport { instance: name.clone(), outcome })?;
    Ok(Exit::Done)
}
