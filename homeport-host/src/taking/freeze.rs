//! Owns the port's own commands around the reading of a running port: `freeze` before, and `thaw` after each freeze,
//! whatever happens in between. [spec: MAN-18, STO-22]
//!
//! What is frozen is noted in the instance's run directory before, so that a process that comes later can thaw it where
//! this one dies.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::entrypoint::Phase;
use homeport_core::manifest::Manifest;
use homeport_core::name::{CommandName, InstanceName};

use crate::engine::{ContainerRef, ExecOutcome, ExecSpec, ExecStreams, Flow};
use crate::host::Host;
use crate::ledger::Ledger;
use crate::run::with_causes;

/// The note that something is frozen.
const NOTE: &str = "frozen";
/// The program that takes phases.
const INIT: &str = "/port/init";
/// How much of what a command says is kept.
const SAID: usize = 2000;

/// The commands of one running port.
#[derive(Debug, Clone)]
pub(crate) struct Hook<'a> {
    host: &'a Host,
    container: ContainerRef,
    note: PathBuf,
    freeze: (CommandName, Duration),
    thaw: Option<(CommandName, Duration)>,
}

/// A port that stands still. Dropped without [`Frozen::thaw`] it is thawed all the same, as far as that can be done.
#[derive(Debug)]
pub(crate) struct Frozen<'a> {
    hook: Option<Hook<'a>>,
}

impl<'a> Hook<'a> {
    /// The commands that the manifest names; `None` where it names no `freeze`.
    pub(crate) fn new(
        host: &'a Host,
        instance: &InstanceName,
        manifest: &Manifest,
        container: ContainerRef,
    ) -> Option<Self> {
        let command = |name: &CommandName| {
            let within = manifest.commands.get(name).map_or(60, |command| command.within.get());
            (name.clone(), Duration::from_secs(within.into()))
        };
        Some(Self {
            host,
            container,
            note: note(host, instance),
            freeze: command(manifest.hooks.freeze.as_ref()?),
            thaw: manifest.hooks.thaw.as_ref().map(command),
        })
    }

    /// Has the port stand still.
    ///
    /// # Errors
    /// Why it does not, in words; it was thawed then, because it may stand still in part.
    pub(crate) fn freeze(&mut self) -> Result<Frozen<'a>, String> {
        let noted = fs::write(&self.note, self.thaw.as_ref().map_or("", |(name, _)| name.as_str()));
        if let Err(error) = noted {
            return Err(format!("the port was not frozen: `{}` cannot be written: {error}", self.note.display()));
        }
        let frozen = Frozen { hook: Some(self.clone()) };
        match run(self.host, &self.container, &self.freeze) {
            Ok(()) => Ok(frozen),
            Err(why) => {
                let thawed = frozen.thaw().err().map(|why| format!("; {why}")).unwrap_or_default();
                Err(format!("the snapshot is of the running port, since `{}` failed: {why}{thawed}", self.freeze.0))
            }
        }
    }
}

impl Frozen<'_> {
    /// Lets the port go on.
    ///
    /// # Errors
    /// Why it may still stand still, in words.
    pub(crate) fn thaw(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(hook) = self.hook.take() else { return Ok(()) };
        if let Some(thaw) = &hook.thaw {
            run(hook.host, &hook.container, thaw).map_err(|why| {
                format!("the port may still stand still, since `{}` failed: {why}; restart it if it does", thaw.0)
            })?;
        }
        fs::remove_file(&hook.note).ok();
        Ok(())
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // Whoever dropped it has an error of its own to tell.
        self.end().ok();
    }
}

/// Thaws what a process that died has left frozen. Called by the daemon from time to time, with nobody freezing.
///
/// # Errors
/// Why an instance may still stand still, in words.
pub(crate) fn thaw_forgotten(host: &Host, ledger: &Ledger) -> Vec<(InstanceName, String)> {
    let mut failed = Vec::new();
    for record in ledger.instances().unwrap_or_default() {
        let note = note(host, &record.name);
        let Ok(text) = fs::read_to_string(&note) else { continue };
        let Some(container) = record.container.clone().map(ContainerRef::Id) else {
            fs::remove_file(&note).ok();
            continue;
        };
        let thawed = match text.parse::<CommandName>() {
            Ok(name) => run(host, &container, &(name, Duration::from_mins(1))),
            // It has no such command: `freeze` ends by itself.
            Err(_) => Ok(()),
        };
        match thawed {
            Ok(()) => drop(fs::remove_file(&note)),
            Err(why) => failed.push((record.name, why)),
        }
    }
    failed
}

fn note(host: &Host, instance: &InstanceName) -> PathBuf {
    let run = host.layout.instance_run_dir(instance, crate::ledger::Slot::First);
    run.parent().unwrap_or(Path::new("/")).join(NOTE)
}

/// Runs one command in the running container.
fn run(host: &Host, container: &ContainerRef, (name, limit): &(CommandName, Duration)) -> Result<(), String> {
    let phase = Phase::Command { name: name.clone(), args: Vec::new() };
    let argv = std::iter::once(INIT.to_owned()).chain(phase.to_args());
    let spec = ExecSpec { limit: Some(*limit), ..ExecSpec::new(argv) };
    let mut said: Vec<u8> = Vec::new();
    let mut sink = |_, bytes: &[u8]| {
        said.extend_from_slice(bytes);
        let excess = said.len().saturating_sub(SAID);
        said.drain(..excess);
        Flow::Continue
    };
    match host.engine.exec(container, &spec, ExecStreams::output(&mut sink)) {
        Ok(ExecOutcome::Exited(code)) if code.get() == 0 => Ok(()),
        Ok(ExecOutcome::Exited(code)) => {
            let said = homeport_core::text::clip(String::from_utf8_lossy(&said).trim(), SAID);
            Err(format!("it ended with exit code {}{}", code.get(), tail(&said)))
        }
        Ok(ExecOutcome::Abandoned) => Err("its end was not waited for".to_owned()),
        Err(error) => Err(with_causes(&error)),
    }
}

fn tail(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" and said: {said}") }
}
