//! `homeport daemon`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{DaemonReport, DaemonStopped};

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    homeport_host::daemon::run(&context.host()?, context.launch()?)?;
    Ok(Exit::Done)
}

pub(super) fn hold(context: &Context) -> Result<Exit, Failure> {
    homeport_host::daemon::hold(context.layout(), &context.launch()?)?;
    Ok(Exit::Done)
}

pub(super) fn status(context: &Context) -> Result<Exit, Failure> {
    let status = context.daemon()?.daemon_status()?;
    context.print(&DaemonReport::new(status))?;
    Ok(Exit::Done)
}

pub(super) fn stop(context: &Context) -> Result<Exit, Failure> {
    let stopped = context.daemon()?.stop()?;
    context.print(&if stopped { DaemonStopped::Stopped } else { DaemonStopped::Unchanged })?;
    Ok(Exit::Done)
}
