//! Owns what data needs that becomes another: how much of each volume is copied, and whether each disk has the room for all
//! that is copied onto it at once. Never copies anything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use homeport_core::fault::Fault;
use homeport_core::name::VolumeName;
use homeport_core::unit::{Bytes, Seconds};
use homeport_core::upgrade::Move;
use homeport_volumes::trash::measure_live;
use homeport_volumes::{DeviceNumber, MountTable};
use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::judge::Judged;
use super::view::{MigrationView, MigrationWay};
use crate::host::Host;
use crate::ledger::VolumeRecord;
use crate::operation::OperationError;
use crate::operation::data_error::DataError;
use crate::plan::Migrating;
use crate::progress::Meter;
use crate::run::StepError;

/// What the copy of one volume needs, and where.
#[derive(Debug, Clone)]
struct Need {
    volume: VolumeName,
    path: PathBuf,
    /// The file system that the volume is on.
    device: DeviceNumber,
    /// What is free on it.
    free: Bytes,
    needs: Bytes,
}

/// What is migrated or set back, with what it needs; and that there is no room for it.
pub(super) fn measured(
    host: &Host,
    volumes: &[VolumeRecord],
    judged: &Judged,
    migrating: &[Migrating],
) -> Result<(Vec<MigrationView>, Vec<Fault>), OperationError> {
    let Some(ways) = &judged.ways else { return Ok((Vec::new(), Vec::new())) };
    let (mut views, mut needs) = (Vec::new(), Vec::new());
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mounts = MountTable::parse(&mounts).unwrap_or_default();
    for one in migrating {
        // By its identity: another port may have left a volume of the same name.
        let record = volumes.iter().find(|record| record.uuid == one.uuid.to_string());
        let (Some(way), Some(record)) = (ways.volumes.get(&one.volume), record) else { continue };
        let Some(view) = view(host, record, way, judged)? else { continue };
        needs.push(need(record, &view, &mounts)?);
        views.push(view);
    }
    Ok((views, no_room(&needs)))
}

/// How one volume becomes another; `None` where it stays.
fn view(
    host: &Host,
    record: &VolumeRecord,
    way: &Move,
    judged: &Judged,
) -> Result<Option<MigrationView>, OperationError> {
    let volume = record.name.clone();
    Ok(match way {
        Move::Migrate(steps) => {
            let (entries, bytes) = count(host, record)?;
            let from = steps.first().map_or(record.format, |step| step.from);
            let to = steps.last().map_or(record.format, |step| step.to);
            let (needs, within) = (way.space(bytes), way.within());
            let way = if from < to { MigrationWay::StepsOfNext } else { MigrationWay::StepsOfPresent };
            let (present_bytes, present_entries) = (bytes, entries);
            Some(MigrationView { volume, from, to, way, bytes, entries, present_bytes, present_entries, needs, within })
        }
        Move::Restore { found, to } => {
            let (present_entries, present_bytes) = count(host, record)?;
            let part = judged.set_back.as_ref().and_then(|head| head.body.volume(&record.name));
            let bytes = Bytes::new(part.map_or(0, |part| part.bytes));
            let (entries, way) = (part.map_or(0, |part| part.count), MigrationWay::Snapshot);
            let (from, to, within) = (*found, *to, Seconds::new(0));
            let needs = bytes;
            Some(MigrationView { volume, from, to, way, bytes, entries, present_bytes, present_entries, needs, within })
        }
        Move::Create(_) | Move::Stay(_) | Move::SetAside(_) => None,
    })
}

/// What is in a volume now, about: the port may be writing to it.
fn count(host: &Host, record: &VolumeRecord) -> Result<(u64, Bytes), OperationError> {
    let meter = Meter::new(&*host.progress, format!("look at `{}`", record.name));
    let data = std::fs::File::open(record.path.join("data"));
    let data = data.map_err(|source| StepError::Io { action: "look into a volume", source })?;
    let mut done = (0, 0);
    let mut tell = |counted: &homeport_volumes::trash::Measured| {
        use homeport_volumes::progress::Progress as _;
        meter.advance(counted.bytes.get().saturating_sub(done.0), counted.entries.saturating_sub(done.1));
        done = (counted.bytes.get(), counted.entries);
    };
    let counted = measure_live(&data, &mut tell);
    let counted = counted.map_err(|fault| DataError::from(homeport_volumes::restore::RestoreError::Tree(fault)))?;
    Ok((counted.entries, counted.bytes))
}

fn need(record: &VolumeRecord, view: &MigrationView, mounts: &MountTable) -> Result<Need, OperationError> {
    let failed = |error: rustix::io::Errno| StepError::Io { action: "ask for free space", source: error.into() };
    let stat = rustix::fs::statvfs(&record.path).map_err(failed)?;
    let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let found = rustix::fs::statx(CWD, &record.path, AtFlags::empty(), flags).map_err(failed)?;
    let own = DeviceNumber { major: found.stx_dev_major, minor: found.stx_dev_minor };
    Ok(Need {
        volume: view.volume.clone(),
        path: record.path.clone(),
        device: file_system(mounts, found.stx_mnt_id, own),
        free: Bytes::new(stat.f_bavail.saturating_mul(stat.f_frsize)),
        needs: view.needs,
    })
}

/// The file system of a directory, by its mount: each subvolume of a btrfs has a device of its own, and all have one room.
/// Of a mount that is not in the table nothing is known but the directory's own device.
fn file_system(mounts: &MountTable, mount: u64, own: DeviceNumber) -> DeviceNumber {
    mounts.by_id(mount).map_or(own, |mount| mount.device)
}

/// That the copies do not fit beside the volumes, one fault for each file system: the copies on it are there at the same
/// time. [spec: UPG-42]
fn no_room(needs: &[Need]) -> Vec<Fault> {
    let mut disks: BTreeMap<DeviceNumber, Vec<&Need>> = BTreeMap::new();
    for need in needs {
        disks.entry(need.device).or_default().push(need);
    }
    disks.values().filter_map(|disk| full(disk)).collect()
}

/// That one file system has not the room for all of these.
fn full(disk: &[&Need]) -> Option<Fault> {
    let first = disk.first()?;
    let free = disk.iter().map(|need| need.free.get()).min()?;
    let wanted = disk.iter().fold(0_u64, |sum, need| sum.saturating_add(need.needs.get()));
    if free >= wanted {
        return None;
    }
    let (subject, message, each) = if let [only] = disk {
        let message = format!("there is no room for the copy of `{}` that takes its place", only.volume);
        (format!("volumes.{}", only.volume), message, String::new())
    } else {
        let names: Vec<String> = disk.iter().map(|need| format!("`{}`", need.volume)).collect();
        let each: Vec<String> = disk.iter().map(|need| format!("{} for `{}`", need.needs.get(), need.volume)).collect();
        let message =
            format!("there is no room for the copies of {} that take their place, all at once", names.join(", "));
        ("volumes".to_owned(), message, format!(": {}", each.join(", ")))
    };
    let fault = Fault::new("HP-VER-004", subject, message)
        .actual(format!("{free} bytes free beside `{}`", first.path.display()))
        .expected(format!("{wanted} bytes{each}"))
        .remedy("make room on that disk, or move a volume to a larger one, and repeat the command")
        .clause("UPG-42");
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(volume: &str, device: u32, free: u64, needs: u64) -> Need {
        let device = DeviceNumber { major: 8, minor: device };
        let path = PathBuf::from(format!("/data/{volume}"));
        Need { volume: volume.parse().unwrap(), path, device, free: Bytes::new(free), needs: Bytes::new(needs) }
    }

    #[test]
    fn copies_that_fit_one_by_one_have_to_fit_together() {
        let apart = [need("home", 1, 100, 60), need("keys", 2, 100, 60)];
        assert_eq!(no_room(&apart), []);
        let together = [need("home", 1, 100, 60), need("keys", 1, 100, 60), need("mail", 2, 100, 100)];
        let faults = no_room(&together);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].code, faults[0].subject.as_str()), ("HP-VER-004", "volumes"));
        assert_eq!(faults[0].expected, "120 bytes: 60 for `home`, 60 for `keys`");
        assert_eq!(faults[0].actual, "100 bytes free beside `/data/home`");
    }

    #[test]
    fn subvolumes_of_one_file_system_share_its_room() {
        let table = b"40 30 0:45 /@a /srv/a rw - btrfs /dev/sdb rw\n41 30 0:45 /@b /srv/b rw - btrfs /dev/sdb rw\n\
            42 30 8:1 / /srv/c rw - ext4 /dev/sda1 rw\n";
        let mounts = MountTable::parse(table).unwrap();
        let own = |minor| DeviceNumber { major: 0, minor };
        let [a, b, c] = [(40, 46), (41, 47), (42, 1)].map(|(mount, minor)| file_system(&mounts, mount, own(minor)));
        assert_eq!((a, a == b, a == c), (own(45), true, false));
        assert_eq!(file_system(&mounts, 43, own(48)), own(48), "what was mounted a moment ago");
    }

    #[test]
    fn each_disk_without_room_is_told_and_one_volume_by_its_name() {
        let faults = no_room(&[need("home", 1, 100, 101), need("keys", 2, 5, 6), need("mail", 3, 0, 0)]);
        let subjects: Vec<_> = faults.iter().map(|fault| fault.subject.as_str()).collect();
        assert_eq!(subjects, ["volumes.home", "volumes.keys"]);
        let huge = [need("home", 1, u64::MAX, u64::MAX), need("keys", 1, u64::MAX, 1)];
        assert_eq!(no_room(&huge), [], "more than can be counted is as much as can be counted");
    }
}
