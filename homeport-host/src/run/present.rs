//! Owns the steps that make a snapshot of what volumes hold before it is replaced: one pass while the port runs, and one
//! after. [spec: STO-32]

use homeport_core::name::VolumeName;
use homeport_volumes::snapshot::Mode;
use homeport_volumes::store::{Reason, Store};

use super::error::StepError;
use super::session::Session;
use crate::ledger::VolumeRecord;
use crate::plan::{Kind, Writing};
use crate::progress::Event;
use crate::taking::{Hook, Taking, what_may_write};

impl Session<'_, '_> {
    /// Reads these volumes into the store while the port writes to them. What it leaves is lost to a process that comes later,
    /// which then reads what changed since the last snapshot.
    pub(super) fn read_ahead(&mut self, volumes: &[VolumeName]) -> Result<(), StepError> {
        let (store, records) = self.present(volumes)?;
        let ahead = self.taking(&store, &records, Mode::Running)?.ahead()?;
        self.ahead = Some(ahead);
        Ok(())
    }

    /// Makes a snapshot of these volumes. Where the port goes on, it is asked to hold still for it, if it can. Where it was
    /// stopped, nothing should write to them; where something may, the snapshot says so.
    pub(super) fn snapshot_present(&mut self, volumes: &[VolumeName], port: Writing) -> Result<(), StepError> {
        let (store, records) = self.present(volumes)?;
        let ahead = self.ahead.take();
        let recorded = self.writer.instance(&self.instance)?;
        let manifest = recorded.as_ref().and_then(|record| homeport_core::manifest::parse(&record.manifest).ok());
        let hook = match (port, &manifest, recorded.and_then(|record| record.container)) {
            (Writing::GoesOn, Some(manifest), Some(container)) => {
                Hook::new(self.host, &self.instance, manifest, container)
            }
            _ => None,
        };
        let writes = match port {
            Writing::Stopped => what_may_write(self.host, self.writer, &self.root, &self.instance, &records)?,
            Writing::GoesOn => None,
        };
        let mode = if port == Writing::GoesOn || writes.is_some() { Mode::Running } else { Mode::Still };
        let took = Taking { hook, ahead, ..self.taking(&store, &records, mode)? }.take()?;
        for text in writes.into_iter().chain(took.warnings) {
            self.host.progress.event(&Event::Warning { text });
        }
        let head = &took.taken.head;
        crate::store::remember(self.writer, &store.catalog()?)?;
        self.before = Some(head.body.uuid);
        self.counted = head.body.volumes.iter().map(|part| (part.name.clone(), (part.count, part.bytes))).collect();
        Ok(())
    }

    /// The store, and what is known of these volumes: those of the port that there is, where another one left some.
    fn present(&mut self, volumes: &[VolumeName]) -> Result<(Store, Vec<VolumeRecord>), StepError> {
        let store = crate::store::open_or_make(self.host, self.writer)?;
        let port = self.writer.instance(&self.instance)?.map(|record| record.port);
        let mut records = self.writer.volumes(&self.instance)?;
        records
            .retain(|record| volumes.contains(&record.name) && port.as_ref().is_none_or(|port| record.port == *port));
        Ok((store, records))
    }

    fn taking<'t>(
        &'t self,
        store: &'t Store,
        volumes: &'t [VolumeRecord],
        mode: Mode,
    ) -> Result<Taking<'t>, StepError> {
        let (reason, note) = match self.kind {
            Kind::Undo => (Reason::Restore, "before a restore was taken back".to_owned()),
            Kind::Upgrade | Kind::Rollback => (Reason::Upgrade, format!("before the {}", self.change_of_version()?)),
            _ => (Reason::Restore, "before a restore".to_owned()),
        };
        Ok(Taking {
            host: self.host,
            ledger: &*self.writer,
            root: &self.root,
            store,
            instance: &self.instance,
            volumes,
            reason,
            note: Some(note),
            mode,
            hook: None,
            ahead: None,
        })
    }

    /// What is being done, in words: `upgrade from 1.0.0 to 1.1.0`.
    fn change_of_version(&self) -> Result<String, StepError> {
        let now = self.writer.instance(&self.instance)?.map(|record| record.version.to_string()).unwrap_or_default();
        let next = &self.manifest("snapshot_present")?.port.version;
        Ok(format!("{} from {now} to {next}", self.kind))
    }
}
