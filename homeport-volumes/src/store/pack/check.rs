//! Owns reading a whole pack from the disk and comparing every byte of it. [spec: STO-9, STO-10]
//! Never changes it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use super::header::{self, BLOCK, TRAILER};
use super::record::{Form, Record, padded};
use crate::progress::Progress;
use crate::store::frame::Expand;
use crate::store::identity::ObjectId;

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// What reading a whole pack showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CheckedPack {
    /// How many objects are as they should be.
    pub(crate) objects: u64,
    /// Their bytes before compression.
    pub(crate) bytes: u64,
    /// The objects that are not, and why.
    pub(crate) damaged: Vec<(ObjectId, String)>,
    /// What is wrong outside of objects' data: a header, what lies between members, the end.
    pub(crate) faults: Vec<String>,
}

impl CheckedPack {
    /// The first thing that is wrong.
    pub(crate) fn fault(&self) -> Option<String> {
        let object = self.damaged.first().map(|(object, why)| format!("`{object}`: {why}"));
        object.or_else(|| self.faults.first().cloned())
    }
}

/// Reads the pack from its first byte to its last. `records` are all of its members, in any order. Tells `progress` the
/// bytes of objects, and no entries.
pub(crate) fn check(file: &File, records: &[Record], progress: &dyn Progress) -> std::io::Result<CheckedPack> {
    let mut expand = Expand::new()?;
    let mut window = Window::new(file);
    let mut checked = CheckedPack::default();
    let mut object = Vec::new();
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_unstable_by_key(|record| record.offset);
    let mut end = 0;
    for record in records {
        let at = record.offset - BLOCK as u64;
        if at != end {
            checked.faults.push(format!("a member begins at byte {at} and the one before ends at {end}"));
        }
        end = record.end();
        let member = match window.get(at, BLOCK + padded(record.stored) as usize) {
            Ok(member) => member,
            Err(error) => {
                checked.damaged.push((record.object, format!("it cannot be read: {error}")));
                continue;
            }
        };
        let (head, data) = member.split_at(BLOCK);
        if *head != header::render(&record.object, record.form, record.stored) {
            checked.faults.push(format!("the header of `{}` is damaged", record.object));
        }
        let (data, padding) = data.split_at(record.stored as usize);
        if padding.iter().any(|byte| *byte != 0) {
            checked.faults.push(format!("what follows `{}` is not empty", record.object));
        }
        match compare(record, data, &mut expand, &mut object) {
            Ok(()) => {
                checked.objects += 1;
                checked.bytes += u64::from(record.length);
            }
            Err(why) => checked.damaged.push((record.object, why)),
        }
        progress.advance(record.length.into(), 0);
    }
    let size = file.metadata()?.len();
    if size != end + TRAILER.len() as u64 || window.get(end, TRAILER.len()).map_or(true, |bytes| *bytes != TRAILER) {
        checked.faults.push("its end is damaged".to_owned());
    }
    Ok(checked)
}

/// Is told of a member by its number, and why its bytes are not its object's.
type Told<'a> = dyn FnMut(u32, &Record, Result<(), String>) + 'a;

/// Reads these members, which come in the order of their offsets, and says of each whether its bytes are its object's.
pub(crate) fn check_members(file: &File, members: &[(u32, Record)], tell: &mut Told<'_>) -> std::io::Result<()> {
    let (mut expand, mut window, mut object) = (Expand::new()?, Window::new(file), Vec::new());
    for (member, record) in members {
        let result = match window.get(record.offset, record.stored as usize) {
            Ok(data) => compare(record, data, &mut expand, &mut object),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        tell(*member, record, result);
    }
    Ok(())
}

/// Compares the stored bytes of an object with its name; leaves the object in `object` where it was compressed.
pub(crate) fn compare(record: &Record, stored: &[u8], expand: &mut Expand, object: &mut Vec<u8>) -> Result<(), String> {
    let found = match record.form {
        Form::Raw => ObjectId::of(stored),
        Form::Zstd => {
            expand.expand(stored, record.length, object)?;
            ObjectId::of(object)
        }
    };
    if found == record.object { Ok(()) } else { Err(format!("its bytes are those of `{found}`")) }
}

/// A part of a file in memory, read in large pieces while the wanted parts come in order.
struct Window<'a> {
    file: &'a File,
    /// Only the first `filled` bytes mean anything; the rest is room that is not cleared each time.
    bytes: Vec<u8>,
    filled: usize,
    start: u64,
}

impl<'a> Window<'a> {
    fn new(file: &'a File) -> Self {
        Self { file, bytes: Vec::new(), filled: 0, start: 0 }
    }

    /// The `length` bytes from `at` on.
    fn get(&mut self, at: u64, length: usize) -> std::io::Result<&[u8]> {
        let inside = at >= self.start && at + length as u64 <= self.start + self.filled as u64;
        if !inside {
            self.load(at, length, CHUNK).or_else(|_| {
                // One bad sector is not to cost its neighbours.
                self.filled = 0;
                self.load(at, length, 0)
            })?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let end = from.saturating_add(length).min(self.filled);
        self.bytes.get(from..end).filter(|part| part.len() == length).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// Brings the `length` bytes from `at` on into memory, and up to `ahead` of what follows.
    fn load(&mut self, at: u64, length: usize, ahead: usize) -> std::io::Result<()> {
        let skipped = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        if at >= self.start && skipped < self.filled {
            self.bytes.copy_within(skipped..self.filled, 0);
            self.filled -= skipped;
        } else {
            self.filled = 0;
        }
        self.start = at;
        let room = length + ahead;
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        while self.filled < length {
            match self.file.read_at(&mut self.bytes[self.filled..room], at + self.filled as u64) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => self.filled += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
