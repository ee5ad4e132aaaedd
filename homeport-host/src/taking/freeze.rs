//! Owns the port's own commands around the reading of a running port: `freeze` before, and `thaw` after each freeze,
//! whatever happens in between. [spec: MAN-18, STO-22]
//!
//! What is frozen is noted in the run directory before, so that a process that comes later can thaw it where this one dies.
//! The note goes with the thaw, or with the container that it names: what does not run does not stand still. Another
//! container of the instance, which only looks or migrates a copy meanwhile, or is frozen and thawed itself, takes no note
//! away.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use homeport_core::entrypoint::Phase;
use homeport_core::manifest::Manifest;
use homeport_core::name::{CommandName, InstanceName};

use super::note::Note;
use super::standing::{Closed, StandsStill};
use crate::engine::{ContainerId, ContainerRef, ContainerState, ExecOutcome, ExecSpec, ExecStreams, Flow};
use crate::host::Host;
use crate::ledger::Ledger;
use crate::run::with_causes;

/// The program that takes phases.
const INIT: &str = "/port/init";
/// How much of what a command says is kept.
const SAID: usize = 2000;

/// The commands of one running port.
#[derive(Debug, Clone)]
pub(crate) struct Hook<'a> {
    host: &'a Host,
    container: ContainerId,
    note: PathBuf,
    freeze: (CommandName, Duration),
    thaw: Option<(CommandName, Duration)>,
}

/// A port that stands still. Dropped without [`Frozen::thaw`] it is thawed all the same, as far as that can be done.
#[derive(Debug)]
pub(crate) struct Frozen<'a> {
    hook: Option<Hook<'a>>,
    /// The run of the container that was frozen.
    run: Option<ContainerState>,
    /// Goes last: until then the process waits for it when it ends.
    standing: StandsStill,
}

impl<'a> Hook<'a> {
    /// The commands that the manifest names; `None` where it names no `freeze`.
    pub(crate) fn new(
        host: &'a Host,
        instance: &InstanceName,
        manifest: &Manifest,
        container: ContainerId,
    ) -> Option<Self> {
        let command = |name: &CommandName| {
            let within = manifest.commands.get(name).map_or(60, |command| command.within.get());
            (name.clone(), Duration::from_secs(within.into()))
        };
        Some(Self {
            host,
            note: host.layout.frozen_note(instance, &container),
            container,
            freeze: command(manifest.hooks.freeze.as_ref()?),
            thaw: manifest.hooks.thaw.as_ref().map(command),
        })
    }

    /// Has the port stand still.
    ///
    /// # Errors
    /// Why it does not, in words; it was thawed then, because it may stand still in part.
    pub(crate) fn freeze(&mut self) -> Result<Frozen<'a>, String> {
        let Some(standing) = self.host.standing.begin() else {
            return Err("the port was not frozen, since the daemon is about to end".to_owned());
        };
        let not_noted = |why: String| format!("the port was not frozen, since that cannot be noted: {why}");
        crate::layout::prepare_private(&self.host.layout.frozen_dir())
            .map_err(|error| not_noted(with_causes(&error)))?;
        Note::new(self.container.clone(), self.thaw.as_ref().map(|(name, _)| name.clone()))
            .write(&self.note)
            .map_err(|error| not_noted(format!("`{}`: {error}", self.note.display())))?;
        let container = ContainerRef::from(&self.container);
        let frozen = Frozen { hook: Some(self.clone()), run: state(self.host, &container), standing };
        match run(self.host, &container, &self.freeze) {
            Ok(()) => Ok(frozen),
            Err(why) => {
                let thawed = frozen.thaw().err().map(|why| format!("; {why}")).unwrap_or_default();
                Err(format!("the snapshot is of the running port, since `{}` failed: {why}{thawed}", self.freeze.0))
            }
        }
    }
}

impl Frozen<'_> {
    /// Lets the port go on. That this works says that it stood still until now.
    ///
    /// # Errors
    /// Why it may still stand still, or did not all the time, in words.
    pub(crate) fn thaw(mut self) -> Result<(), String> {
        let now = self.hook.as_ref().and_then(|hook| state(hook.host, &ContainerRef::from(&hook.container)));
        self.end()?;
        if self.standing.is_given_up() {
            return Err("it was thawed before, since the daemon is about to end".to_owned());
        }
        if now.is_some() && now == self.run {
            Ok(())
        } else {
            Err("its container was started anew after it was frozen".to_owned())
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(hook) = self.hook.take() else { return Ok(()) };
        let container = ContainerRef::from(&hook.container);
        let thawed = match &hook.thaw {
            Some(thaw) => run(hook.host, &container, thaw).map_err(|why| (thaw.0.clone(), why)),
            // It has no such command: `freeze` ends by itself.
            None => Ok(()),
        };
        // Where it may stand still, the note stays, and the daemon tries again.
        let stands = thawed.is_err() && may_run(hook.host, &container);
        if !stands {
            fs::remove_file(&hook.note).ok();
        }
        thawed.map_err(|(thaw, why)| {
            if stands {
                format!("the port may still stand still, since `{thaw}` failed: {why}; restart it if it does")
            } else {
                format!("the port ended before `{thaw}`, which failed: {why}")
            }
        })
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
    Note::remove_unfinished(&host.layout);
    for record in ledger.instances().unwrap_or_default() {
        for (file, note) in Note::of(&host.layout, &record.name) {
            let container = note.container(record.container.as_ref()).map(ContainerRef::from);
            let container = container.filter(|container| may_run(host, container));
            let thawed = match (container, note.thaw) {
                (Some(container), Some(name)) => run(host, &container, &(name, Duration::from_mins(1))),
                // What does not run does not stand still; without such a command `freeze` ends by itself.
                (None, _) | (_, None) => Ok(()),
            };
            match thawed {
                Ok(()) => drop(fs::remove_file(&file)),
                Err(why) => failed.push((record.name.clone(), why)),
            }
        }
    }
    failed
}

/// Freezes nothing any more in this process, and waits until nothing stands still through it. What does after `limit` is
/// thawed all the same: its snapshot is none of a frozen port then.
///
/// # Errors
/// Why an instance may still stand still, in words.
pub(crate) fn end_freezes(host: &Host, limit: Duration) -> Vec<(InstanceName, String)> {
    if host.standing.close(limit) == Closed::AllGoOn {
        return Vec::new();
    }
    // Whoever freezes holds the store's lock, so that these notes are of this process, or of none.
    Ledger::open(&host.layout).map(|ledger| thaw_forgotten(host, &ledger)).unwrap_or_default()
}

/// Forgets that this container of the instance stood still: it is gone. `recorded` is the one that the ledger had then. A note
/// about another container stays.
pub(crate) fn forget_freeze(host: &Host, instance: &InstanceName, gone: &ContainerId, recorded: Option<&ContainerId>) {
    for (file, _) in Note::of(&host.layout, instance).iter().filter(|(_, note)| note.container(recorded) == Some(gone))
    {
        // One that stays is found by the daemon, which thaws what does not stand still without harm.
        fs::remove_file(file).ok();
    }
}

/// What the container does; `None` where that cannot be said.
fn state(host: &Host, container: &ContainerRef) -> Option<ContainerState> {
    Some(host.engine.inspect(container).ok()??.state).filter(ContainerState::is_running)
}

/// Whether the container runs, as far as that can be said: an engine that does not answer says nothing.
fn may_run(host: &Host, container: &ContainerRef) -> bool {
    host.engine.inspect(container).map_or(true, |facts| facts.is_some_and(|facts| facts.state.is_running()))
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
