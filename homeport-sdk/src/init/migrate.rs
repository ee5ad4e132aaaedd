//! Owns carrying out one step of a migration: whether it may begin, on which volume, and how it ended.
//! Never reads the configuration and never looks at another volume: the host gives neither.

use std::path::Path;

use homeport_core::entrypoint::{ENV_SNAPSHOT, ExitStatus, VOLUMES_FILE};
use homeport_core::fault::Fault;
use homeport_core::manifest::{Manifest, Reversible, Volume};
use homeport_core::name::VolumeName;
use homeport_core::unit::Format;

use super::phase::as_only;
use super::port::{MigrationFailure, Port, Step};
use super::report::{Failure, Report};
use super::volume::{Wanted, guard, read_expected};

/// Carries out one step, if it is one that the manifest knows and a snapshot was made. [spec: ENT-5]
pub(crate) fn migrate<P: Port>(
    port: &P,
    manifest: &Manifest,
    volume: &VolumeName,
    from: Format,
    to: Format,
) -> Result<u8, Failure> {
    let subject = format!("volumes.{volume}");
    let clean = |fault: Fault| Failure::new(ExitStatus::MigrationFailedClean, fault.clause("ENT-5"));
    let snapshot = std::env::var(ENV_SNAPSHOT).ok().filter(|snapshot| !snapshot.is_empty()).ok_or_else(|| {
        let fault = Fault::new("HP-MIG-001", subject.clone(), "there is no snapshot to go back to");
        clean(fault.expected(format!("its name in `{ENV_SNAPSHOT}`")).remedy("`homeport upgrade` makes one first"))
    })?;
    let is_step = |lower: Format, higher: Format| {
        higher.get() == lower.get() + 1
            && manifest.migrations.iter().any(|step| {
                let reversible = from < to || step.down == Reversible::Yes;
                step.volume == *volume && step.from == lower && reversible
            })
    };
    let Some(declared) = manifest.volumes.get(volume).filter(|_| is_step(from.min(to), from.max(to))) else {
        let message = format!("the manifest has no step for `{volume}` from format {from} to {to}");
        return Err(clean(Fault::new("HP-MIG-002", subject, message)));
    };
    let expected = read_expected(Path::new(VOLUMES_FILE))?;
    let mut report = Report::default();
    // The step is judged by the format that it starts from, not by those that the new version runs with.
    let as_it_is = Volume { format: from, min_format: from, ..declared.clone() };
    guard([(volume, &as_it_is)].into_iter(), &expected, Wanted::Writable, &mut report);
    report.into_result()?;
    let step = Step { manifest, volume, path: &declared.path, from, to, snapshot: &snapshot };
    let outcome = port.migrate(&step).and_then(|()| on_the_disk(&step).map_err(MigrationFailure::MayBeChanged));
    outcome.map(|()| 0).map_err(|failure| match failure {
        MigrationFailure::Unchanged(failure) => as_only(ExitStatus::MigrationFailedClean, failure),
        MigrationFailure::MayBeChanged(failure) => as_only(ExitStatus::MigrationFailedDirty, failure),
    })
}

/// Waits until everything that a step wrote is on the disk: the host takes the data for the new format from now on.
/// [spec: ENT-47]
fn on_the_disk(step: &Step<'_>) -> Result<(), Failure> {
    std::fs::File::open(step.path).and_then(|volume| Ok(rustix::fs::syncfs(&volume)?)).map_err(|error| {
        let message = format!("what was written to `{}` cannot be put on the disk", step.path);
        Failure::from_io(Fault::new("HP-MIG-003", format!("volumes.{}", step.volume), message).clause("ENT-47"), &error)
    })
}
