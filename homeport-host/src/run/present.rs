//! Owns the step that makes a snapshot of what volumes hold before it is replaced. [spec: STO-32]

use homeport_core::name::VolumeName;
use homeport_volumes::snapshot::Mode;
use homeport_volumes::store::Reason;

use super::error::StepError;
use super::session::Session;
use crate::progress::Event;
use crate::taking::Taking;

impl Session<'_, '_> {
    /// Makes a snapshot of these volumes, which nothing writes to.
    pub(super) fn snapshot_present(&mut self, volumes: &[VolumeName]) -> Result<(), StepError> {
        let store = crate::store::open_or_make(self.host, self.writer)?;
        let records = self.writer.volumes(&self.instance)?;
        let records: Vec<_> = records.into_iter().filter(|record| volumes.contains(&record.name)).collect();
        let note = format!(
            "before a {}",
            if self.kind == crate::plan::Kind::Undo { "restore was taken back" } else { "restore" }
        );
        let took = Taking {
            host: self.host,
            ledger: self.writer,
            root: &self.root,
            store: &store,
            instance: &self.instance,
            volumes: &records,
            reason: Reason::Restore,
            note: Some(note),
            mode: Mode::Still,
            hook: None,
        }
        .take()?;
        for text in took.warnings {
            self.host.progress.event(&Event::Warning { text });
        }
        let head = &took.taken.head;
        self.before = Some(head.body.uuid);
        self.counted = head.body.volumes.iter().map(|part| (part.name.clone(), (part.count, part.bytes))).collect();
        Ok(())
    }
}
