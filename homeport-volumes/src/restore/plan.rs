//! Owns what is known before a restore: whether all of the snapshot can be read, whether there is room for a second tree,
//! and whether anything in it needs the operator's word. Never changes anything.

use std::os::fd::AsFd as _;

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::VolumeName;
use homeport_core::unit::{Bytes, Inodes};

use super::build::Devices;
use super::error::RestoreError;
use super::source::Source;
use crate::begin::Held;
use crate::progress::Progress;
use crate::store::{ObjectId, StoreError};
use crate::tree::{Content, Entry, Kind, Line, TreePath};

/// The most entries that are named in one fault.
const MOST_NAMED: usize = 100;
/// The block that room is counted in, and what a directory or a long link takes at least.
const BLOCK: u64 = 4096;
/// What an inode takes where the file system makes them as they are needed.
const INODE: u64 = 512;
/// The longest target of a symbolic link that needs no block of its own.
const SHORT_LINK: usize = 59;

/// How closely a snapshot is looked at before anything is built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Its lines are read, and each object has to be in the index of a pack. What is damaged inside a pack shows while
    /// the tree is built, with nothing lost.
    Present,
    /// Each object is read and compared with its name too.
    Hashed,
}

/// What a snapshot of one volume is found to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// How many entries.
    pub entries: u64,
    /// The sum of the sizes of regular files, holes among them.
    pub bytes: u64,
    /// About how many bytes a tree of it takes on a disk.
    pub room: u64,
    /// How many inodes it takes.
    pub inodes: u64,
    /// The device nodes in it, at most 100 of them.
    pub devices: Vec<TreePath>,
    /// How many device nodes there are.
    pub device_count: u64,
    /// The files of which something cannot be read, at most 100 of them, and the error.
    pub unreadable: Vec<(TreePath, String)>,
    /// How many objects cannot be read.
    pub unreadable_count: u64,
}

/// What is free where the tree is to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that an ordinary user can still write: what is set aside for root is no room for a restore.
    pub bytes: u64,
    /// Inodes that an ordinary user can still make; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

impl Room {
    /// What is free on the volume's file system.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn of(held: &Held) -> Result<Self, RestoreError> {
        let stat = rustix::fs::fstatvfs(held.volume().as_fd())
            .map_err(RestoreError::io("ask for the free space of", held.path()))?;
        let inodes = (stat.f_files > 0).then_some(stat.f_favail);
        Ok(Self { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes })
    }
}

/// Reads the whole snapshot of one volume. Needs no lock and no volume: a running port is not disturbed.
///
/// # Errors
/// Lines that cannot be read, or that contradict themselves. An object that cannot be read is told in the survey, with
/// all others.
pub fn survey(source: &impl Source, reading: Reading, progress: &dyn Progress) -> Result<Survey, RestoreError> {
    let mut survey = Survey::default();
    let mut file = TreePath::root();
    let mut bytes = Vec::new();
    for line in source.lines()? {
        match line? {
            Line::Entry(entry) => {
                survey.count(&entry);
                if let Kind::File { size, content: Content::Whole(object) } = entry.kind {
                    survey.look(source, reading, &object, &entry.path, &mut bytes)?;
                    survey.room = survey.room.saturating_add(size.next_multiple_of(BLOCK));
                    progress.advance(size, 0);
                }
                file = entry.path;
                progress.advance(0, 1);
            }
            Line::HardLink(_) => {
                survey.entries += 1;
                progress.advance(0, 1);
            }
            Line::Piece(piece) => {
                survey.look(source, reading, &piece.object, &file, &mut bytes)?;
                survey.room = survey.room.saturating_add(u64::from(piece.length).next_multiple_of(BLOCK));
                progress.advance(piece.length.into(), 0);
            }
        }
    }
    Ok(survey)
}

impl Survey {
    fn count(&mut self, entry: &Entry) {
        self.entries += 1;
        self.inodes += 1;
        let name = entry.path.name().map_or(0, <[u8]>::len) as u64;
        let blocks = match &entry.kind {
            Kind::Directory => 1,
            Kind::Symlink { target } => u64::from(target.as_bytes().len() > SHORT_LINK),
            Kind::File { size, .. } => {
                self.bytes = self.bytes.saturating_add(*size);
                0
            }
            Kind::Character(_) | Kind::Block(_) => {
                self.device_count += 1;
                if self.devices.len() < MOST_NAMED {
                    self.devices.push(entry.path.clone());
                }
                0
            }
            Kind::Fifo | Kind::Socket => 0,
        };
        let attributes = u64::from(!entry.meta.attributes.xattrs().is_empty());
        self.room = self.room.saturating_add((blocks + attributes) * BLOCK + INODE + 2 * name);
    }

    fn look(
        &mut self,
        source: &impl Source,
        reading: Reading,
        object: &ObjectId,
        path: &TreePath,
        bytes: &mut Vec<u8>,
    ) -> Result<(), RestoreError> {
        let found = match reading {
            Reading::Present if source.contains(object)? => return Ok(()),
            Reading::Present => Err(StoreError::ObjectMissing { object: *object }),
            Reading::Hashed => source.read(object, bytes),
        };
        if let Err(error) = found {
            self.unreadable_count += 1;
            if self.unreadable.len() < MOST_NAMED {
                self.unreadable.push((path.clone(), format!("{} ({})", error, error.code())));
            }
        }
        Ok(())
    }

    /// Whether a restore of this may begin. Pure. [spec: STO-33]
    ///
    /// # Errors
    /// All faults, each with its code, what was found and wanted, and what to do next.
    pub fn judge(&self, volume: &VolumeName, room: &Room, devices: Devices) -> Result<(), Vec<Fault>> {
        let fault =
            |code, clause, message: String| Fault::new(code, format!("volumes.{volume}"), message).clause(clause);
        let mut faults = Vec::new();
        if self.unreadable_count > 0 {
            let names: Vec<String> = self.unreadable.iter().map(|(path, error)| format!("`{path}`: {error}")).collect();
            let message = format!("the snapshot of volume `{volume}` cannot be read in full");
            faults.push(
                fault("HP-RST-020", "STO-9", message)
                    .expected("every object")
                    .actual(listed(&names, self.unreadable_count))
                    .remedy("restore an older snapshot, or take out of this one what can be read"),
            );
        }
        if self.device_count > 0 && devices == Devices::Refuse {
            let names: Vec<String> = self.devices.iter().map(|path| format!("`{path}`")).collect();
            let message = format!("the snapshot of volume `{volume}` holds device nodes");
            faults.push(
                fault("HP-RST-021", "STO-33", message)
                    .expected("none, or your word for them")
                    .actual(listed(&names, self.device_count))
                    .remedy("repeat with `--devices` if they are meant to be there; nothing is left out of a restore"),
            );
        }
        if self.room > room.bytes {
            let message = format!("the disk of volume `{volume}` has too little room for a second tree");
            faults.push(
                fault("HP-RST-022", "STO-31", message)
                    .expected(Bytes::new(self.room).to_string())
                    .actual(format!("{} free", Bytes::new(room.bytes)))
                    .remedy("make room; `homeport trash list` shows what was kept of earlier restores"),
            );
        }
        if let Some(free) = room.inodes.filter(|free| self.inodes > *free) {
            let message = format!("the disk of volume `{volume}` has too few inodes for a second tree");
            faults.push(
                fault("HP-RST-023", "STO-31", message)
                    .expected(format!("{} inodes", Inodes::new(self.inodes)))
                    .actual(format!("{} free", Inodes::new(free)))
                    .remedy("remove files, or move the volume to a file system that was made with more inodes"),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn listed(names: &[String], count: u64) -> String {
    let more = count.saturating_sub(names.len() as u64);
    let text = names.join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_against_a_restore_is_told_at_once() {
        let volume: VolumeName = "home".parse().unwrap();
        let path = |text: &str| TreePath::from_bytes(text.as_bytes()).unwrap();
        let good = Survey { entries: 3, bytes: 10, room: 9000, inodes: 3, ..Survey::default() };
        let room = Room { bytes: 9000, inodes: Some(3) };
        assert_eq!(good.judge(&volume, &room, Devices::Refuse), Ok(()));
        assert_eq!(good.judge(&volume, &Room { inodes: None, ..room }, Devices::Refuse), Ok(()));
        let bad = Survey {
            devices: vec![path("null")],
            device_count: 2,
            unreadable: vec![(path("a\nb"), "gone".to_owned())],
            unreadable_count: 1,
            ..good
        };
        let codes = |devices, room: &Room| {
            bad.judge(&volume, room, devices).unwrap_err().iter().map(|fault| fault.code).collect::<Vec<_>>()
        };
        let none = Room { bytes: 8999, inodes: Some(2) };
        assert_eq!(codes(Devices::Refuse, &none), ["HP-RST-020", "HP-RST-021", "HP-RST-022", "HP-RST-023"]);
        assert_eq!(codes(Devices::Make, &room), ["HP-RST-020"]);
        let faults = bad.judge(&volume, &none, Devices::Refuse).unwrap_err();
        assert_eq!(faults[0].actual, "`a\\012b`: gone");
        assert_eq!(faults[1].actual, "`null` and 1 more");
    }
}
