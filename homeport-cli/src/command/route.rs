//! `homeport route`.

use homeport_host::operation::routes;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::RoutesReport;

pub(super) fn list(context: &Context) -> Result<Exit, Failure> {
    let routes = routes(&context.host()?)?;
    context.print(&RoutesReport { routes })?;
    Ok(Exit::Done)
}
