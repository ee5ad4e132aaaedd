//! Owns what every command works with: where things are, how to talk, and the host, which is only made when it is needed.
//! Never does what a command is for.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use homeport_host::Host;
use homeport_host::accelerator::Accelerators;
use homeport_host::daemon::{DaemonClient, Launch};
use homeport_host::engine::DockerEngine;
use homeport_host::engine::docker::DEFAULT_SOCKET;
use homeport_host::layout::Layout;
use homeport_host::progress::{Event, Progress as _};

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{self, CutOff};
use crate::output::{self, Format, PublicName, Render};
use crate::progress::{Reporter, Style};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    layout: Layout,
    socket: Socket,
    format: Format,
    patience: Duration,
    reporter: Reporter,
}

/// Where the engine is looked for, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Socket {
    /// An option or `HOMEPORT_ENGINE`.
    Said(PathBuf),
    /// `DOCKER_HOST`.
    DockerHost(PathBuf),
    /// Nobody; `DOCKER_HOST` may name something that is no socket of this machine.
    Default { passed_over: Option<String> },
}

impl Socket {
    fn choose(said: Option<PathBuf>, docker_host: Option<&str>) -> Self {
        if let Some(path) = said {
            return Self::Said(path);
        }
        match docker_host {
            None | Some("") => Self::Default { passed_over: None },
            Some(text) => match text.strip_prefix("unix://") {
                Some(path) if path.starts_with('/') => Self::DockerHost(PathBuf::from(path)),
                _ => Self::Default { passed_over: Some(text.to_owned()) },
            },
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Said(path) | Self::DockerHost(path) => path,
            Self::Default { .. } => Path::new(DEFAULT_SOCKET),
        }
    }
}

impl Context {
    /// Reads what every command takes, and the environment.
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let layout = match global.root {
            None => Layout::system(),
            Some(root) => Layout::under(&absolute(root)?)?,
        };
        let docker_host = env::var_os("DOCKER_HOST").map(|text| text.to_string_lossy().into_owned());
        let socket = Socket::choose(global.engine.map(absolute).transpose()?, docker_host.as_deref());
        let format = if global.json { Format::Json } else { Format::Text };
        let style = match (format, global.quiet) {
            (Format::Json, _) => Style::Json,
            (Format::Text, true) => Style::Warnings,
            (Format::Text, false) => style_of_terminal(),
        };
        let patience = Duration::from_secs(global.wait.into());
        Ok(Self { layout, socket, format, patience, reporter: Reporter::new(style) })
    }

    /// For whom results are written.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// That the root is there, where one was named.
    pub(crate) fn expect_root(&self) -> Result<(), Failure> {
        Ok(self.layout.expect_root()?)
    }

    /// Where everything is.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How a daemon of this HomePort is started: it is this very program, and uses the same engine.
    pub(crate) fn launch(&self) -> Result<Launch, Failure> {
        let program = env::current_exe()
            .map_err(|source| Failure::Surroundings { action: "find out where this program is", source })?;
        let arguments = match &self.socket {
            Socket::Said(path) | Socket::DockerHost(path) => vec![OsString::from("--engine"), path.into()],
            Socket::Default { .. } => Vec::new(),
        };
        Ok(Launch::new(program, arguments))
    }

    /// The daemon of this HomePort.
    pub(crate) fn daemon(&self) -> Result<DaemonClient, Failure> {
        Ok(DaemonClient::new(self.layout.clone(), self.launch()?))
    }

    /// The host, with which every operation is performed. Nothing is connected to yet.
    pub(crate) fn host(&self) -> Result<Host, Failure> {
        if let Socket::Default { passed_over: Some(text) } = &self.socket {
            let text = format!(
                "`DOCKER_HOST` is `{text}`, which is no socket of this machine: `{DEFAULT_SOCKET}` is used; \
                 `--engine SOCKET` names another"
            );
            self.reporter.event(&Event::Warning { text });
        }
        let engine = Arc::new(DockerEngine::at(self.socket.path()));
        let host = Host::new(self.layout.clone(), engine, Arc::new(self.daemon()?));
        let host = host.with_accelerators(Accelerators::of(&self.layout));
        Ok(host.with_progress(Arc::new(self.reporter.clone())).with_patience(self.patience))
    }

    /// Writes the result of a command to standard output.
    pub(crate) fn print(&self, result: &impl Render) -> Result<(), Failure> {
        let text = output::render(self.format, result).map_err(Failure::Output)?;
        self.write(text.as_bytes())
    }

    /// The same, and how the command ended, which does not change because nobody reads on.
    pub(crate) fn print_as(&self, result: &impl Render, exit: Exit) -> Result<Exit, Failure> {
        ended(self.print(result), exit)
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.reporter.finish();
        output::write_out(bytes).map_err(Failure::Output)
    }

    /// Says from now on what becomes of what was begun, before a signal ends the process.
    pub(crate) fn tell_cut_off(&self, cut_off: CutOff) -> Result<(), Failure> {
        let failed = |source| Failure::Surroundings { action: "wait for signals", source };
        interrupt::watch(&self.reporter, cut_off).map_err(failed)
    }

    /// Ends all talk: what comes after it begins on a line of its own.
    pub(crate) fn end_talk(&self) {
        self.reporter.finish();
    }

    /// How others reach this machine.
    pub(crate) fn public_name() -> PublicName {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        PublicName::choose(&name, output::primary_address())
    }
}

/// How a command ended that has `exit` to say, by what became of its result.
fn ended(printed: Result<(), Failure>, exit: Exit) -> Result<Exit, Failure> {
    match printed {
        Err(failure) if !failure.is_closed_output() => Err(failure),
        _ => Ok(exit),
    }
}

/// The path, seen from the working directory where it is relative.
pub(crate) fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|source| Failure::Surroundings { action: "find the working directory", source })
}

fn style_of_terminal() -> Style {
    let err = io::stderr();
    let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    match rustix::termios::tcgetwinsize(&err) {
        Ok(size) if err.is_terminal() && !is_dumb && size.ws_col > 20 => {
            Style::InPlace { columns: usize::from(size.ws_col) }
        }
        _ => Style::Lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_hangs_up_changes_nothing_of_how_a_command_ended() {
        let failed = |kind: io::ErrorKind| Err(Failure::Output(kind.into()));
        for exit in [Exit::Done, Exit::Host] {
            assert_eq!(ended(Ok(()), exit).unwrap(), exit);
            assert_eq!(ended(failed(io::ErrorKind::BrokenPipe), exit).unwrap(), exit);
            assert!(ended(failed(io::ErrorKind::StorageFull), exit).is_err());
        }
    }

    #[test]
    fn the_engine_is_the_one_that_was_said_then_that_of_docker_host_then_the_usual_one() {
        let said = || Some(PathBuf::from("/said"));
        let default = |text: Option<&str>| Socket::Default { passed_over: text.map(str::to_owned) };
        for (option, docker_host, wanted) in [
            (said(), Some("unix:///other"), Socket::Said("/said".into())),
            (None, Some("unix:///other"), Socket::DockerHost("/other".into())),
            (None, Some(""), default(None)),
            (None, None, default(None)),
            (None, Some("tcp://10.0.0.1:2375"), default(Some("tcp://10.0.0.1:2375"))),
            (None, Some("unix://relative"), default(Some("unix://relative"))),
        ] {
            assert_eq!(Socket::choose(option, docker_host), wanted);
        }
        assert_eq!(default(None).path(), Path::new("/var/run/docker.sock"));
    }
}
