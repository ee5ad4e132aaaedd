//! `homeport history`.

use homeport_host::operation::history;

use crate::args::HistoryArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::HistoryReport;

pub(super) fn run(context: &Context, args: HistoryArgs) -> Result<Exit, Failure> {
    let lines = history(&context.host()?, &args.name, args.lines)?;
    context.print(&HistoryReport { instance: args.name, lines })?;
    Ok(Exit::Done)
}
