//! Owns the bytes of a pack's index: writing them, and reading them with everything compared. [spec: STO-8]
//! Never touches a file.

use sha2::{Digest as _, Sha256};

use super::header::{BLOCK, TRAILER};
use super::name::Naming;
use super::record::{Form, Record, padded};
use crate::store::identity::{ObjectId, PackId};

/// What an index begins with.
const MAGIC: &[u8; 8] = b"HPINDEX1";
/// Where the first record is.
pub(crate) const HEAD: usize = 16;
/// The length of a record.
pub(crate) const RECORD: usize = 48;
const SUM: usize = 32;
const COMPRESSED: u32 = 1 << 31;

/// The bytes of the index of these members, which are in the order of their ids.
pub(crate) fn render(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length(records.len() as u64));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(records.len() as u64).to_le_bytes());
    for record in records {
        let mark = match record.form {
            Form::Raw => 0,
            Form::Zstd => COMPRESSED,
        };
        bytes.extend_from_slice(record.object.as_bytes());
        bytes.extend_from_slice(&record.offset.to_le_bytes());
        bytes.extend_from_slice(&(record.stored | mark).to_le_bytes());
        bytes.extend_from_slice(&record.length.to_le_bytes());
    }
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// The length of an index of so many members.
fn length(members: u64) -> usize {
    usize::try_from(members).unwrap_or(usize::MAX).saturating_mul(RECORD).saturating_add(HEAD + SUM)
}

/// The longest index that a pack of `size` bytes can have: each member takes a block at least.
pub(crate) fn longest(size: u64) -> usize {
    length(size / BLOCK as u64)
}

/// One record's bytes.
pub(crate) fn record(bytes: &[u8; RECORD]) -> Record {
    let (id, rest) = bytes.split_at(32);
    let number = |at: usize| rest.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let offset = rest.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let object = ObjectId::new(id.try_into().unwrap_or_default());
    let form = if number(8) & COMPRESSED == 0 { Form::Raw } else { Form::Zstd };
    Record { object, form, offset, stored: number(8) & !COMPRESSED, length: number(12) }
}

/// An index that was found right, for a pack of a certain name.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    records: &'a [[u8; RECORD]],
    /// How long the pack is that this index belongs to.
    pub(crate) pack_size: u64,
}

impl<'a> Index<'a> {
    /// Compares the checksum, and the members' names with the name of the pack. [spec: STO-7, STO-8]
    pub(crate) fn read(bytes: &'a [u8], pack: &PackId) -> Result<Self, &'static str> {
        let Some((body, sum)) = bytes.split_last_chunk::<SUM>() else { return Err("its index is cut off") };
        let head = body.get(..HEAD).ok_or("its index is cut off")?;
        if !head.starts_with(MAGIC) {
            return Err("its index is not an index");
        }
        let count = head.last_chunk::<8>().map_or(0, |count| u64::from_le_bytes(*count));
        if length(count) != bytes.len() {
            return Err("its index is cut off");
        }
        if Sha256::digest(body)[..] != sum[..] {
            return Err("its index has a wrong checksum");
        }
        let (records, _) = body[HEAD..].as_chunks::<RECORD>();
        let (mut naming, mut before, mut pack_size) = (Naming::default(), None, TRAILER.len() as u64);
        for record in records.iter().map(record) {
            if let Some(why) = record.nonsense() {
                return Err(why);
            }
            if before.replace(record.object).is_some_and(|before| before >= record.object) {
                return Err("its index is not in order");
            }
            naming.member(&record);
            pack_size += BLOCK as u64 + u64::from(padded(record.stored));
        }
        if naming.finish() != *pack {
            return Err("its index is another pack's");
        }
        Ok(Self { records, pack_size })
    }

    /// The members, in the order of their ids.
    pub(crate) fn records(&self) -> impl ExactSizeIterator<Item = Record> {
        self.records.iter().map(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::pack_id;
    use super::*;

    fn records() -> Vec<Record> {
        let mut offset = BLOCK as u64;
        let mut records: Vec<Record> = (0_u8..5)
            .map(|n| {
                let object = ObjectId::of(&[n]);
                let form = if n % 2 == 0 { Form::Raw } else { Form::Zstd };
                let record = Record { object, form, offset, stored: 700, length: if n % 2 == 0 { 700 } else { 9000 } };
                offset = record.end() + BLOCK as u64;
                record
            })
            .collect();
        records.sort_by_key(|record| record.object);
        records
    }

    #[test]
    fn an_index_is_read_as_it_was_written_and_each_changed_byte_is_noticed() {
        let records = records();
        let (bytes, pack) = (render(&records), pack_id(&records));
        let index = Index::read(&bytes, &pack).unwrap();
        assert_eq!(index.records().collect::<Vec<_>>(), records);
        assert_eq!(index.pack_size, 5 * (512 + 1024) + 1024);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            Index::read(&bad, &pack).unwrap_err();
            Index::read(&bytes[..at], &pack).unwrap_err();
        }
        assert_eq!(Index::read(&bytes, &PackId::new([0; 32])).unwrap_err(), "its index is another pack's");
    }

    type Edit = (&'static str, fn(&mut Vec<Record>));

    /// What a checksum that was computed anew cannot hide.
    #[test]
    fn an_index_that_says_nonsense_is_refused() {
        let good = records();
        let edits: [Edit; 6] = [
            ("order", |records| records.swap(0, 1)),
            ("twice", |records| records[1] = records[0]),
            ("long", |records| records[2].length = 1 << 20 | 1),
            ("two lengths", |records| records.iter_mut().for_each(|r| (r.form, r.length) = (Form::Raw, 701))),
            ("offset 0", |records| records[3].offset = 0),
            ("odd offset", |records| records[3].offset = 513),
        ];
        for (what, edit) in edits {
            let mut bad = good.clone();
            edit(&mut bad);
            Index::read(&render(&bad), &pack_id(&bad)).expect_err(what);
        }
    }
}
