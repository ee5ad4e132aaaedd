//! Owns finding the members of a pack without its index, from their headers alone. Never writes the index.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::header::{self, BLOCK};
use super::name::pack_id;
use super::record::{Form, Record, padded};
use crate::store::frame;
use crate::store::identity::PackId;

/// The most bytes of a frame that say how long its content is.
const FRAME_HEAD: usize = 18;

/// What the headers of a pack say.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    /// The members, in the order of their ids, each object once.
    pub(crate) records: Vec<Record>,
    /// Why these may not be all; `None` if the pack's name says that they are.
    pub(crate) fault: Option<String>,
}

/// Reads every header of the pack. A damaged one is skipped block by block until the next that is right: what can be
/// read is found even then, and every object is compared with its name when it is read. [spec: STO-8, STO-9]
///
/// # Errors
/// The disk does not answer.
pub(crate) fn rebuild(file: &File, pack: &PackId) -> std::io::Result<Rebuilt> {
    let size = file.metadata()?.len();
    let (mut records, mut fault, mut at) = (Vec::new(), None, 0_u64);
    let mut ended = false;
    while at + BLOCK as u64 <= size {
        let mut bytes = [0; BLOCK + FRAME_HEAD];
        let got = read_at(file, &mut bytes, at)?;
        let Some(block) = bytes[..got].first_chunk::<BLOCK>() else { break };
        if block.iter().all(|byte| *byte == 0) {
            ended |= at + 2 * BLOCK as u64 == size;
            at += BLOCK as u64;
            continue;
        }
        let member = header::parse(block).map_err(str::to_owned).and_then(|(object, form, stored)| {
            let offset = at + BLOCK as u64;
            if offset + u64::from(padded(stored)) > size {
                return Err("it ends within a member".to_owned());
            }
            let length = match form {
                Form::Raw => stored,
                Form::Zstd => frame::content_length(&bytes[BLOCK..got])?,
            };
            Ok(Record { object, form, offset, stored, length })
        });
        match member {
            Ok(record) => {
                at = record.end();
                records.push(record);
            }
            Err(why) => {
                fault = fault.or_else(|| Some(format!("{why} at byte {at}")));
                at += BLOCK as u64;
            }
        }
    }
    records.sort_by_key(|record| (record.object, record.offset));
    records.dedup_by_key(|record| record.object);
    if !ended {
        fault = fault.or_else(|| Some("its end is missing".to_owned()));
    }
    if pack_id(&records) != *pack {
        fault = fault.or_else(|| Some("its members are not those that its name says".to_owned()));
    }
    Ok(Rebuilt { records, fault })
}

/// Reads as much as there is, up to the length of `bytes`.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], at + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
