//! Owns the scripts of simulated containers: what an image holds, what a container does when it starts and is asked to stop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use homeport_core::digest::Digest;
use homeport_core::unit::Bytes;

use crate::engine::exec::ExecSpec;
use crate::engine::image::ImageFacts;
use crate::engine::label::Labels;
use crate::engine::name::{ContainerId, ImageName};
use crate::engine::observe::Stream;
use crate::engine::outcome::ExitCode;
use crate::engine::spec::ContainerSpec;

/// What the first process of a container does when it starts.
pub type Program = Arc<dyn Fn(&mut Boot) -> Fate + Send + Sync>;

/// What a program that is run in a running container does. It may read all of its input first.
pub type ExecProgram = Arc<dyn Fn(&ContainerSpec, &ExecSpec, &[u8]) -> ExecReply + Send + Sync>;

/// One start of a container, as its script sees it.
#[derive(Clone)]
pub struct Boot {
    /// The container.
    pub id: ContainerId,
    /// As it was described: where its directories are on the host, what its arguments are.
    pub spec: ContainerSpec,
    /// How many times it ran before.
    pub earlier_runs: u32,
    /// Its first process as the host numbers it. A script that says that it is ready puts its own process here: nobody
    /// else is believed.
    pub pid: u32,
    pub(super) program: Program,
    pub(super) output: Vec<(Stream, Vec<u8>)>,
}

impl Boot {
    /// Writes to the container's log.
    pub fn print(&mut self, stream: Stream, bytes: impl AsRef<[u8]>) {
        self.output.push((stream, bytes.as_ref().to_vec()));
    }

    pub(super) fn program(&self) -> Program {
        Arc::clone(&self.program)
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boot").field("id", &self.id).field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// How a container goes on after its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It runs until it is stopped.
    Runs(OnStop),
    /// It ends at once with this code.
    Exits(ExitCode),
    /// The kernel kills it at once for want of memory.
    OutOfMemory,
    /// The engine cannot start it, and says this.
    Refused(String),
}

/// What a running container does when it is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It ends with this code.
    Exits(ExitCode),
    /// Nothing, so that it is killed.
    Ignores,
}

/// What came of a program that was run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecReply {
    /// It wrote this and ended with this code.
    Ends {
        /// The code.
        code: ExitCode,
        /// What it wrote, in order.
        output: Vec<(Stream, Vec<u8>)>,
    },
    /// It would never end: runs into its limit, or at once into an error where it has none.
    Hangs,
}

impl ExecReply {
    /// It wrote nothing and ended with this code.
    pub const fn code(code: ExitCode) -> Self {
        Self::Ends { code, output: Vec::new() }
    }
}

/// An image and what its containers do.
#[derive(Clone)]
pub struct SimImage {
    /// What can be seen of it.
    pub facts: ImageFacts,
    /// Its files by path, as far as somebody reads them.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What its containers do when they start.
    pub program: Program,
    /// What programs in its containers do.
    pub exec: ExecProgram,
}

impl SimImage {
    /// An image of this id and name, whose containers run until they are stopped and then end well.
    pub fn new(id: Digest, name: ImageName) -> Self {
        Self {
            facts: ImageFacts {
                id,
                names: vec![name],
                labels: Labels::new(),
                entrypoint: Vec::new(),
                command: Vec::new(),
                user: String::new(),
                env: Vec::new(),
                volumes: Vec::new(),
                exposed: Vec::new(),
                architecture: "amd64".to_owned(),
                size: Bytes::new(1 << 20),
            },
            files: BTreeMap::new(),
            program: Arc::new(|_| Fate::Runs(OnStop::Exits(ExitCode::SUCCESS))),
            exec: Arc::new(|_, _, _| ExecReply::code(ExitCode::SUCCESS)),
        }
    }

    /// The same image with this label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.facts.labels = self.facts.labels.with(key, value);
        self
    }

    /// The same image with this entrypoint.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.facts.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The same image, which wants a volume at this path.
    #[must_use]
    pub fn volume(mut self, path: &str) -> Self {
        self.facts.volumes.push(path.to_owned());
        self
    }

    /// The same image with this file.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    /// The same image, whose containers do this.
    #[must_use]
    pub fn program(mut self, program: impl Fn(&mut Boot) -> Fate + Send + Sync + 'static) -> Self {
        self.program = Arc::new(program);
        self
    }

    /// The same image, in whose containers programs do this.
    #[must_use]
    pub fn exec(
        mut self,
        exec: impl Fn(&ContainerSpec, &ExecSpec, &[u8]) -> ExecReply + Send + Sync + 'static,
    ) -> Self {
        self.exec = Arc::new(exec);
        self
    }
}

impl fmt::Debug for SimImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimImage").field("facts", &self.facts).finish_non_exhaustive()
    }
}
