//! Owns how snapshots are shown: in a table, one in full, one that was just made. Never asks the host.

use std::time::Duration;

use homeport_core::unit::Bytes;
use homeport_host::operation::{
    AlarmView, MarkView, Measure, SnapshotList, SnapshotMade, SnapshotView, SnapshotVolumeView,
};

use super::Render;
use super::amount::{count, extent, moment, size, span};
use super::consent::warnings;
use super::page::Page;
use super::table::Table;

impl Render for SnapshotList {
    fn text(&self, page: &mut Page) {
        if self.snapshots.is_empty() {
            page.line("there are no snapshots");
        } else {
            let mut table = Table::new(&["NUMBER", "UUID", "TAKEN", "INSTANCE", "WHY", "ENTRIES", "SIZE", "STATE"]);
            for snapshot in &self.snapshots {
                let (entries, bytes) = total(snapshot);
                table.row([
                    format!("{:#}", snapshot.sequence),
                    short(&snapshot.uuid),
                    moment(&snapshot.taken),
                    snapshot.instance.to_string(),
                    snapshot.why().to_owned(),
                    entries.to_string(),
                    size(bytes),
                    state(snapshot),
                ]);
            }
            table.write(page, "");
        }
        for (file, why) in &self.damaged {
            page.line(format_args!("damaged: `{file}`: {why}"));
        }
        for one in &self.gone {
            page.line(format_args!("gone: `{}`: {}", one.file(), one.words()));
        }
    }
}

impl Render for SnapshotView {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("snapshot {:#} of `{}` ({})", self.sequence, self.instance, self.uuid));
        page.line(format_args!("  taken: {} ({})", moment(&self.taken), self.why()));
        page.line(format_args!("  port: {} {}", self.port, self.version));
        page.line(format_args!("  consistency: {}", self.consistency));
        if let Some(note) = self.note.as_deref().filter(|note| *note != self.why()) {
            page.line(format_args!("  note: {note}"));
        }
        for volume in &self.volumes {
            page.line(format_args!(
                "  volume `{}`: {} (format {}, {})",
                volume.name,
                extent(volume.entries, volume.bytes),
                volume.format,
                volume.uuid
            ));
        }
        for alarm in &self.alarms {
            page.line(format_args!("  alarm: {}", alarm_text(alarm)));
        }
        let mark = |label: &str, mark: &Option<MarkView>, page: &mut Page| {
            if let Some(mark) = mark {
                let note = if mark.note.is_empty() { String::new() } else { format!(": {}", mark.note) };
                page.line(format_args!("  {label}: {}{note}", moment(&mark.at)));
            }
        };
        mark("acknowledged", &self.acknowledged, page);
        mark("verified", &self.verified, page);
        mark("rehearsed", &self.rehearsed, page);
        mark("found damaged", &self.damaged, page);
        if let Some(parent) = &self.parent {
            page.line(format_args!("  the one before: {parent}"));
        }
    }
}

impl Render for SnapshotMade {
    fn text(&self, page: &mut Page) {
        let (entries, bytes) = total(&self.snapshot);
        page.line(format_args!(
            "snapshot {:#} of `{}` is made: {}",
            self.snapshot.sequence,
            self.snapshot.instance,
            extent(entries, bytes)
        ));
        let work = &self.work;
        page.line(format_args!(
            "  read {} ({}), unchanged {}; stored {}, read back and compared; {}",
            count(work.files_read, "file", "files"),
            size(work.bytes_read),
            work.unchanged,
            size(work.bytes_stored),
            span(Duration::from_millis(work.milliseconds))
        ));
        page.line(format_args!("  consistency: {}", self.snapshot.consistency));
        for alarm in &self.snapshot.alarms {
            page.line(format_args!("  alarm: {}", alarm_text(alarm)));
        }
        for (volume, path) in &self.unstable {
            page.line(format_args!("  changed each time it was read: `{path}` in `{volume}`"));
        }
        warnings(&self.warnings, page);
    }
}

/// The first group of a uuid: enough to name a snapshot.
pub(super) fn short(uuid: &impl ToString) -> String {
    uuid.to_string().chars().take(8).collect()
}

fn total(snapshot: &SnapshotView) -> (u64, Bytes) {
    let add = |(entries, bytes): (u64, u64), volume: &SnapshotVolumeView| {
        (entries.saturating_add(volume.entries), bytes.saturating_add(volume.bytes.get()))
    };
    let (entries, bytes) = snapshot.volumes.iter().fold((0, 0), add);
    (entries, Bytes::new(bytes))
}

fn state(snapshot: &SnapshotView) -> String {
    let is_newer = |a: &Option<MarkView>, b: &Option<MarkView>| match (a, b) {
        (Some(a), Some(b)) => a.at > b.at,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_newer(&snapshot.damaged, &snapshot.verified) {
        "damaged".to_owned()
    } else if snapshot.is_alarming() {
        "alarm: much smaller".to_owned()
    } else if snapshot.rehearsed.is_some() {
        "rehearsed".to_owned()
    } else if snapshot.verified.is_some() {
        "verified".to_owned()
    } else {
        "read back when made".to_owned()
    }
}

fn alarm_text(alarm: &AlarmView) -> String {
    let amount = |number: u64| match alarm.measure {
        Measure::Bytes => size(Bytes::new(number)),
        Measure::Entries => count(number, "entry", "entries"),
    };
    format!("volume `{}` went from {} to {}", alarm.volume, amount(alarm.before), amount(alarm.now))
}
