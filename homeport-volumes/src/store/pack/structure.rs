//! Owns whether a pack is one for programs for tar, and for `restore.sh`: its headers, what lies between its members, and
//! its end. Never reads an object. [spec: STO-6]

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::header::{self, BLOCK, TRAILER};
use super::record::{Record, padded};

/// How many faults of one pack are named.
const NAMED: usize = 100;

/// What is wrong with the pack outside of objects' data, the first hundred faults. `records` are all of its members, in any
/// order.
///
/// # Errors
/// The length of the file cannot be asked; that a part of it cannot be read is a fault.
pub(crate) fn structure(file: &File, records: &[Record]) -> std::io::Result<Vec<String>> {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_unstable_by_key(|record| record.offset);
    let (mut faults, mut end) = (Vec::new(), 0);
    for record in records {
        let at = record.offset.saturating_sub(BLOCK as u64);
        if at != end {
            faults.push(format!("a member begins at byte {at} and the one before ends at {end}"));
        }
        end = record.end();
        let mut head = [0; BLOCK];
        match file.read_exact_at(&mut head, at) {
            Ok(()) if head == header::render(&record.object, record.form, record.stored) => {}
            Ok(()) => faults.push(format!("the header of `{}` is damaged", record.object)),
            Err(error) => faults.push(format!("the header of `{}` cannot be read: {error}", record.object)),
        }
        let mut padding = [0; BLOCK];
        let padding = padding.get_mut(..(padded(record.stored) - record.stored) as usize).unwrap_or_default();
        match file.read_exact_at(padding, record.offset + u64::from(record.stored)) {
            Ok(()) if padding.iter().all(|byte| *byte == 0) => {}
            Ok(()) => faults.push(format!("what follows `{}` is not empty", record.object)),
            Err(error) => faults.push(format!("what follows `{}` cannot be read: {error}", record.object)),
        }
        if faults.len() >= NAMED {
            faults.truncate(NAMED);
            return Ok(faults);
        }
    }
    let mut trailer = TRAILER;
    trailer.fill(1);
    let size = file.metadata()?.len();
    let is_right = size == end + TRAILER.len() as u64 && file.read_exact_at(&mut trailer, end).is_ok();
    if !is_right || trailer != TRAILER {
        faults.push("its end is damaged".to_owned());
    }
    Ok(faults)
}
