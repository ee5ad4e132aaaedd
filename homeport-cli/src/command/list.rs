//! `homeport list`.

use homeport_host::operation::list;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::ListReport;

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let instances = list(&context.host()?)?;
    context.print(&ListReport { instances })?;
    Ok(Exit::Done)
}
