//! `homeport status`.

use homeport_core::name::InstanceName;
use homeport_host::operation::{list, status};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::StatusReport;

pub(super) fn run(context: &Context, name: Option<&InstanceName>) -> Result<Exit, Failure> {
    let host = context.host()?;
    let report = match name {
        Some(name) => StatusReport::one(status(&host, name)?, &Context::public_name()),
        None => StatusReport::all(context.daemon()?.daemon_status()?, list(&host)?),
    };
    context.print(&report)?;
    Ok(Exit::Done)
}
