//! Owns the comparison of what a started container sees as its volumes with what was checked. Never starts or ends one.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::name::VolumeName;
use homeport_volumes::{Mounted, compare_mount};

use super::error::StepError;
use super::session::Session;
use crate::engine::{ContainerFacts, ContainerRef, ContainerState};
use crate::host::Probing;

/// What the kernel says of a process that is gone, or that is just ending and has no mounts any more (`errno.h`).
const ENDED: [i32; 2] = [3, 22];

impl Session<'_, '_> {
    /// What the container sees is what was checked, also where something was exchanged between check and start. Of a
    /// container that has ended already the engine says what it was given. [spec: VOL-26]
    pub(super) fn compare_mounts(&self, container: &ContainerRef) -> Result<(), StepError> {
        self.compare_mounts_of(container, &self.mounted, self.manifest("start_container")?)
    }

    /// The same for a container that sees these volumes of this manifest.
    pub(super) fn compare_mounts_of(
        &self,
        container: &ContainerRef,
        mounted: &BTreeMap<VolumeName, Mounted>,
        manifest: &Manifest,
    ) -> Result<(), StepError> {
        // One that is gone is left to whoever waits for it.
        let Some(facts) = self.host.engine.inspect(container)? else { return Ok(()) };
        let ContainerState::Running { pid, .. } = facts.state else {
            return self.compare_given(&facts, mounted, manifest);
        };
        if self.host.probing == Probing::Simulated {
            return Ok(());
        }
        let text = match std::fs::read(self.host.machine.proc.join(pid.to_string()).join("mountinfo")) {
            Ok(text) => text,
            // It has ended meanwhile.
            Err(error) if has_ended(&error) => return self.compare_given(&facts, mounted, manifest),
            Err(source) => return Err(StepError::Io { action: "read what the container has mounted", source }),
        };
        for (name, mounted) in mounted {
            let compared = compare_mount(&text, target(manifest, name), &mounted.location);
            compared.map_err(|fault| other_mount(name, &fault))?;
        }
        Ok(())
    }

    /// The same by what the engine was given: it mounted what was checked, and that still leads where it led.
    fn compare_given(
        &self,
        facts: &ContainerFacts,
        mounted: &BTreeMap<VolumeName, Mounted>,
        manifest: &Manifest,
    ) -> Result<(), StepError> {
        let text = std::fs::read(self.host.machine.proc.join("self/mountinfo"));
        let text = text.map_err(|source| StepError::Io { action: "read what is mounted", source })?;
        for (name, mounted) in mounted {
            let given = facts.mounts.iter().find(|mount| mount.target == target(manifest, name));
            let given = given.map_or("nothing", |mount| mount.source.as_str());
            if given != mounted.path.as_str() {
                return Err(StepError::OtherMount { volume: name.clone(), found: format!("`{given}`") });
            }
            let compared = compare_mount(&text, mounted.path.as_str(), &mounted.location);
            compared.map_err(|fault| other_mount(name, &fault))?;
        }
        Ok(())
    }
}

/// Where a container has a volume.
fn target<'a>(manifest: &'a Manifest, volume: &VolumeName) -> &'a str {
    manifest.volumes.get(volume).map_or("", |declared| declared.path.as_str())
}

/// Whether the process is gone whose mounts were asked for.
fn has_ended(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error().is_some_and(|code| ENDED.contains(&code))
}

fn other_mount(volume: &VolumeName, fault: &Fault) -> StepError {
    StepError::OtherMount { volume: volume.clone(), found: fault.actual.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_of_a_process_that_has_ended_are_none_and_no_fault_of_the_machine() {
        // A process that was not waited for yet has no mounts any more.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let table = std::path::PathBuf::from(format!("/proc/{}/mountinfo", child.id()));
        let began = std::time::Instant::now();
        let error = loop {
            match std::fs::read(&table) {
                Err(error) => break error,
                Ok(_) => assert!(began.elapsed() < std::time::Duration::from_secs(30), "it does not end"),
            }
        };
        assert!(has_ended(&error), "{error}");
        child.wait().unwrap();
        assert!(has_ended(&std::fs::read(&table).unwrap_err()));
        assert!(!has_ended(&std::io::Error::from_raw_os_error(13)));
    }
}
