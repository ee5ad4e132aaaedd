//! `homeport logs`.

use std::io;

use homeport_host::engine::{Cancel, Flow, LogRequest, LogTail};
use homeport_host::operation::container_of;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::args::LogsArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{LogLines, LogStyle, write_out};

pub(super) fn run(context: &Context, args: &LogsArgs) -> Result<Exit, Failure> {
    let host = context.host()?;
    let container = container_of(&host, &args.name)?;
    let tail = args.lines.map_or(LogTail::All, LogTail::Lines);
    let request = if args.follow { LogRequest::follow(tail, cancel_by_signal()?) } else { LogRequest::past(tail) };
    let mut lines = LogLines::new(LogStyle::choose(context.format(), io::IsTerminal::is_terminal(&io::stdout())));
    let mut written = Ok(());
    let mut sink = |stream, bytes: &[u8]| {
        written = write_out(&lines.take(stream, bytes));
        if written.is_ok() { Flow::Continue } else { Flow::Stop }
    };
    host.engine().logs(&container, &request, &mut sink)?;
    written.and_then(|()| write_out(&lines.end())).map_err(Failure::Output)?;
    Ok(Exit::Done)
}

/// A signal that is set by the first Ctrl-C or SIGTERM; the second one ends the process.
fn cancel_by_signal() -> Result<Cancel, Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|source| Failure::Surroundings { action: "wait for signals", source })?;
    let cancel = Cancel::new();
    let flag = cancel.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if flag.is_cancelled() {
                emulate_default_handler(signal).ok();
            }
            flag.cancel();
        }
    });
    Ok(cancel)
}
