//! Owns the description of a program that is run in a running container, and its streams. Never runs one.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::observe::{Flow, Stream};
use super::spec::ContainerUser;

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// Whether a program gets a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Pipes: the two outputs stay apart.
    None,
    /// A terminal of this size: both outputs come as [`Stream::Out`]. The caller puts its own terminal into raw mode.
    Size(TerminalSize),
}

/// A program to run in a container, without capabilities that the container does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSpec {
    /// The program and its arguments; no shell is involved.
    pub argv: Vec<String>,
    /// Whom it runs as; `None` as the container's first process.
    pub user: Option<ContainerUser>,
    /// Environment beside the container's. Visible to who can inspect: never a secret.
    pub env: BTreeMap<String, String>,
    /// Where it starts, an absolute path in the container; `None` as the container does.
    pub directory: Option<String>,
    /// Whether it gets a terminal.
    pub terminal: Terminal,
    /// How long it may run; it is killed then. `None` for as long as it likes.
    pub limit: Option<Duration>,
}

impl ExecSpec {
    /// This program as the container's first process is: same user, same environment, pipes, no limit.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            user: None,
            env: BTreeMap::new(),
            directory: None,
            terminal: Terminal::None,
            limit: None,
        }
    }
}

/// What a program in a container reads from and writes to.
pub struct ExecStreams<'a> {
    /// Its standard input; `None` is closed from the start. It is read on a thread of its own, which ends at the end of
    /// the input or at the first byte after the program has ended: a read that never returns keeps that thread.
    pub input: Option<Box<dyn Read + Send>>,
    /// Gets the output as it comes.
    pub output: &'a mut dyn FnMut(Stream, &[u8]) -> Flow,
    /// New sizes of the terminal; ignored where there is none.
    pub resizes: Option<Receiver<TerminalSize>>,
}

impl<'a> ExecStreams<'a> {
    /// Nothing to read, and this for the output.
    pub fn output(output: &'a mut dyn FnMut(Stream, &[u8]) -> Flow) -> Self {
        Self { input: None, output, resizes: None }
    }
}

impl fmt::Debug for ExecStreams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecStreams").field("input", &self.input.is_some()).finish_non_exhaustive()
    }
}
