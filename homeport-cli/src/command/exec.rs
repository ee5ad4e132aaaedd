//! `homeport exec`.

use std::io::{self, IsTerminal as _, Read, Write as _};

use homeport_host::Host;
use homeport_host::engine::{
    ContainerRef, ExecOutcome, ExecSpec, ExecStreams, ExitCode, Flow, Stream, Terminal as Wanted,
};
use homeport_host::operation::{OperationError, container_of};

use crate::args::ExecArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::write_out;
use crate::terminal::{self, RawTerminal};

pub(super) fn run(context: &Context, args: ExecArgs) -> Result<Exit, Failure> {
    if args.tty && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::Usage {
            message: "`--tty` needs a terminal: standard input or output is none".to_owned(),
            help: "leave `--tty` out; `--interactive` passes standard input on",
        });
    }
    let host = context.host()?;
    let container = running_container(&host, &args)?;
    let mut spec = ExecSpec { user: args.user, ..ExecSpec::new(args.argv) };
    let outcome = if args.tty {
        let terminal = RawTerminal::enter().map_err(failed("put the terminal into raw mode"))?;
        spec.terminal = Wanted::Size(terminal::size());
        spec.env.extend(std::env::var("TERM").ok().map(|term| ("TERM".to_owned(), term)));
        let resizes = terminal.watch().map_err(failed("watch the terminal"))?;
        let input: Option<Box<dyn Read + Send>> = Some(Box::new(io::stdin()));
        host.engine().exec(&container, &spec, ExecStreams { input, output: &mut pass_on, resizes: Some(resizes) })
    } else {
        let input = args.interactive.then(|| -> Box<dyn Read + Send> { Box::new(io::stdin()) });
        host.engine().exec(&container, &spec, ExecStreams { input, output: &mut pass_on, resizes: None })
    };
    Ok(exit_of(outcome?))
}

/// The container, which runs.
fn running_container(host: &Host, args: &ExecArgs) -> Result<ContainerRef, Failure> {
    let container = container_of(host, &args.name)?;
    match host.engine().inspect(&container)? {
        Some(facts) if facts.state.is_running() => Ok(container),
        _ => Err(OperationError::NotRunning { name: args.name.clone() }.into()),
    }
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> Failure {
    move |source| Failure::Surroundings { action, source }
}

fn pass_on(stream: Stream, bytes: &[u8]) -> Flow {
    let written = match stream {
        Stream::Out => write_out(bytes),
        Stream::Err => io::stderr().lock().write_all(bytes),
    };
    if written.is_ok() { Flow::Continue } else { Flow::Stop }
}

/// The program's own code. Where nobody reads its output any more, that of a program whose pipe broke.
fn exit_of(outcome: ExecOutcome) -> Exit {
    const BROKEN_PIPE: u8 = 128 + 13;
    let number = |code: ExitCode| u8::try_from(code.get()).unwrap_or(u8::MAX);
    match outcome {
        ExecOutcome::Exited(code) => Exit::Program(number(code)),
        ExecOutcome::Abandoned => Exit::Program(BROKEN_PIPE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_programs_own() {
        for (code, wanted) in [(0, 0), (1, 1), (127, 127), (255, 255), (256, 255), (-1, 255)] {
            assert_eq!(exit_of(ExecOutcome::Exited(ExitCode::new(code))).code(), wanted, "{code}");
        }
        assert_eq!(exit_of(ExecOutcome::Abandoned).code(), 141);
    }
}
