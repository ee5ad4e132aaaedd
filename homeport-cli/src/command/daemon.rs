//! `homeport daemon`.

use homeport_host::daemon::Incumbent;
use homeport_host::operation::restart_daemon;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{DaemonReport, DaemonRestarted, DaemonStopped};

pub(super) fn run(context: &Context, take_over: bool) -> Result<Exit, Failure> {
    let incumbent = if take_over { Incumbent::GivesWay } else { Incumbent::Stays };
    homeport_host::daemon::run(&context.host()?, context.launch()?, incumbent)?;
    Ok(Exit::Done)
}

pub(super) fn hold(context: &Context) -> Result<Exit, Failure> {
    homeport_host::daemon::hold(context.layout(), &context.launch()?)?;
    Ok(Exit::Done)
}

pub(super) fn restart(context: &Context) -> Result<Exit, Failure> {
    let restarted = restart_daemon(&context.host()?, &context.daemon()?)?;
    let report = DaemonRestarted::of(&restarted);
    context.print(&report)?;
    // It runs, and what it is for is not so.
    Ok(if report.has_all() { Exit::Done } else { Exit::Host })
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
