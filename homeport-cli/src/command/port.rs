//! `homeport port`.

use homeport_host::operation::port_info;
use homeport_host::request::PortRef;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::PortReport;

pub(super) fn info(context: &Context, port: &PortRef) -> Result<Exit, Failure> {
    let image = port_info(&context.host()?, port)?;
    context.print(&PortReport(image))?;
    Ok(Exit::Done)
}
