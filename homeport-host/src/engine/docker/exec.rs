//! Owns running a program in a running container at Docker, and its streams both ways at once.

use std::io::Read;
use std::pin::{Pin, pin};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{ResizeExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connect::Call;
use super::inspect;
use super::logs::part;
use super::terminal::{self, TerminalStreams};
use crate::engine::error::{Action, EngineError};
use crate::engine::exec::{ExecSpec, ExecStreams, Terminal, TerminalSize};
use crate::engine::name::{ContainerId, ContainerRef};
use crate::engine::observe::{ContainerState, Flow};
use crate::engine::outcome::{ExecOutcome, ExitCode};

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, EngineError>>>>;
type Input = Pin<Box<dyn AsyncWrite>>;

/// For a program without a limit.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// How much of a terminal's output is read at once.
const CHUNK: usize = 16 << 10;

/// A program that is being run.
struct Running<'a> {
    call: &'a Call,
    container: ContainerId,
    exec: String,
}

pub(super) async fn run(
    call: &Call,
    container: &ContainerRef,
    spec: &ExecSpec,
    streams: ExecStreams<'_>,
) -> Result<ExecOutcome, EngineError> {
    let facts = inspect::existing(call, container).await?;
    if !matches!(facts.state, ContainerState::Running { .. }) {
        let message = "the container is not running".to_owned();
        return Err(EngineError::Conflict { action: call.action.clone(), message });
    }
    let made = call.docker.create_exec(facts.id.as_str(), config(spec, streams.input.is_some())).await;
    let running = Running { call, container: facts.id, exec: made.map_err(|error| call.failure(error))?.id };
    running.run(spec, streams).await
}

fn config(spec: &ExecSpec, has_input: bool) -> ExecConfig {
    let size = match spec.terminal {
        Terminal::None => None,
        Terminal::Size(size) => Some(vec![usize::from(size.rows), usize::from(size.columns)]),
    };
    ExecConfig {
        attach_stdin: Some(has_input),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(size.is_some()),
        console_size: size,
        // There must be some keys to leave a terminal; Docker's own would swallow every ctrl-p.
        detach_keys: Some("ctrl-^,ctrl-@,ctrl-^,ctrl-@".to_owned()),
        env: Some(spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        cmd: Some(spec.argv.clone()),
        privileged: Some(false),
        user: spec.user.map(|user| format!("{}:{}", user.uid, user.gid)),
        working_dir: spec.directory.clone(),
    }
}

impl Running<'_> {
    async fn run(&self, spec: &ExecSpec, streams: ExecStreams<'_>) -> Result<ExecOutcome, EngineError> {
        let (output, input) = match spec.terminal {
            Terminal::None => self.start().await?,
            Terminal::Size(size) => {
                let streams = self.start_terminal().await?;
                // Docker 20.10 does not know the size in the request.
                self.resize(size).await;
                streams
            }
        };
        let limit = spec.limit.unwrap_or(FOREVER);
        match tokio::time::timeout_at(Instant::now() + limit, self.pump(output, input, streams)).await {
            Ok(Ok(Flow::Continue)) => self.code().await.map(ExecOutcome::Exited),
            Ok(Ok(Flow::Stop)) => Ok(ExecOutcome::Abandoned),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.kill().await;
                Err(EngineError::Timeout { action: self.call.action.clone(), after: limit })
            }
        }
    }

    /// Starts the program with pipes.
    async fn start(&self) -> Result<(Output, Input), EngineError> {
        let started = self.call.docker.start_exec(&self.exec, None).await;
        let StartExecResults::Attached { output, input } = started.map_err(|error| self.call.failure(error))? else {
            return Err(self.call.unexpected("the engine ran the program without its streams"));
        };
        let action = self.call.action.clone();
        let output = output.map_err(move |error| lost(&action, error));
        Ok((Box::pin(output), input))
    }

    /// Starts the program on its terminal.
    async fn start_terminal(&self) -> Result<(Output, Input), EngineError> {
        let TerminalStreams { first, output, input } = terminal::start(self.call, &self.exec).await?;
        let action = self.call.action.clone();
        let later = stream::unfold((output, BytesMut::new()), |(mut output, mut buffer)| async {
            buffer.reserve(CHUNK);
            let chunk = match output.read_buf(&mut buffer).await {
                Ok(0) => return None,
                Ok(_) => Ok(LogOutput::Console { message: buffer.split().freeze() }),
                Err(error) => Err(error),
            };
            Some((chunk, (output, buffer)))
        });
        let first = stream::iter([Ok(LogOutput::Console { message: first })]);
        Ok((Box::pin(first.chain(later).map_err(move |error| lost(&action, error))), Box::pin(input)))
    }

    /// Moves bytes both ways until the program's output ends or is wanted no more.
    async fn pump(&self, mut output: Output, input: Input, streams: ExecStreams<'_>) -> Result<Flow, EngineError> {
        let mut resizes = streams.resizes.map(bridge_resizes);
        let mut feeding = pin!(feed(streams.input.map(bridge_input), input));
        let mut fed = false;
        loop {
            tokio::select! {
                chunk = output.next() => match chunk {
                    None => return Ok(Flow::Continue),
                    Some(Err(error)) => return Err(error),
                    Some(Ok(chunk)) => {
                        let (stream, bytes) = part(&chunk);
                        if (streams.output)(stream, bytes) == Flow::Stop {
                            return Ok(Flow::Stop);
                        }
                    }
                },
                () = &mut feeding, if !fed => fed = true,
                size = next(&mut resizes) => self.resize(size).await,
            }
        }
    }

    /// A terminal of the wrong size is no reason to end a session.
    async fn resize(&self, size: TerminalSize) {
        let options = ResizeExecOptions { height: size.rows, width: size.columns };
        let _kept = self.call.docker.resize_exec(&self.exec, options).await;
    }

    /// The program's code, which Docker may know a moment after the output has ended.
    async fn code(&self) -> Result<ExitCode, EngineError> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let state = self.call.docker.inspect_exec(&self.exec).await.map_err(|error| self.call.failure(error))?;
            match (state.running, state.exit_code) {
                (Some(false), Some(code)) => return Ok(ExitCode::new(code)),
                _ if Instant::now() >= deadline => {
                    return Err(self.call.unexpected("the program's output ended and it still runs"));
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Kills the program, for which Docker has no call, through a descriptor of its process. Where the process cannot be
    /// shown to be in this container (an engine in another process namespace), nothing is killed.
    async fn kill(&self) {
        let Some(pid) = self.pid().await else { return };
        let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
        // The descriptor is of whatever has the number now; only then are these two asked.
        let in_container = std::fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero()))
            .is_ok_and(|groups| groups.contains(self.container.as_str()));
        if in_container && self.pid().await == Some(pid) {
            let _gone = rustix::process::pidfd_send_signal(process, Signal::KILL);
        }
    }

    /// The running program's process.
    async fn pid(&self) -> Option<Pid> {
        let state = self.call.docker.inspect_exec(&self.exec).await.ok()?;
        state.running.filter(|running| *running)?;
        Pid::from_raw(i32::try_from(state.pid?).ok()?)
    }
}

fn lost(action: &Action, error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Lost { action: action.clone(), source: Box::new(error) }
}

/// Gives the input to the program and closes it behind. A program that reads no more is not an error.
async fn feed(chunks: Option<mpsc::Receiver<Bytes>>, mut input: Input) {
    let Some(mut chunks) = chunks else {
        // Dropping the writing half would close it, which a terminal takes as a hang-up.
        return std::future::pending().await;
    };
    while let Some(chunk) = chunks.recv().await {
        if input.write_all(&chunk).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _closed = input.shutdown().await;
}

async fn next(resizes: &mut Option<mpsc::Receiver<TerminalSize>>) -> TerminalSize {
    if let Some(receiver) = resizes
        && let Some(size) = receiver.recv().await
    {
        return size;
    }
    *resizes = None;
    std::future::pending().await
}

fn bridge_input(mut input: Box<dyn Read + Send>) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) if sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    receiver
}

fn bridge_resizes(sizes: std::sync::mpsc::Receiver<TerminalSize>) -> mpsc::Receiver<TerminalSize> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        while let Ok(size) = sizes.recv() {
            if sender.blocking_send(size).is_err() {
                return;
            }
        }
    });
    receiver
}
