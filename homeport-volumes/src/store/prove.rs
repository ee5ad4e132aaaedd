//! Owns reading those members of packs that are needed, each once, in the order in which they lie on the disk, and
//! comparing each with its name. Never says who needs them.

use super::error::StoreError;
use super::handles::Which;
use super::marks::Marks;
use super::objects::Objects;
use super::pack::check::check_members;
use super::pack::name::pack_file;
use super::place::Room;
use crate::progress::Progress;

/// What reading members showed.
#[derive(Debug)]
pub(crate) struct Proven {
    /// The members that are what they should be.
    pub(crate) good: Marks,
    /// Their bytes before compression.
    pub(crate) bytes: u64,
}

impl Objects {
    /// Reads the members that are marked, pack by pack; tells `progress` the bytes of objects. A pack that cannot be read
    /// has no good member. [spec: STO-9]
    ///
    /// Memory: one bit for each object, and the records of one pack.
    pub(crate) fn prove(&self, needed: &Marks, progress: &dyn Progress) -> Result<Proven, StoreError> {
        let mut proven = Proven { good: self.marks(), bytes: 0 };
        for (place, pack) in self.packs.iter().enumerate() {
            let Ok(number) = u32::try_from(place) else { break };
            if needed.count(place) == 0 {
                continue;
            }
            // What it comes to that it cannot be read is found, and named, where somebody misses what is in it.
            let (Ok(members), Ok(file)) = (self.members(place), self.handles.get(number, &pack.id, Which::Pack)) else {
                continue;
            };
            let mut wanted: Vec<_> = (0_u32..).zip(members).collect();
            wanted.retain(|(member, _)| needed.is_set(place, *member as usize));
            wanted.sort_unstable_by_key(|(_, record)| record.offset);
            let read = check_members(&file, &wanted, &mut |member, record, result| {
                progress.advance(record.length.into(), 0);
                if result.is_ok() {
                    proven.good.set(number, member);
                    proven.bytes += u64::from(record.length);
                }
            });
            read.map_err(StoreError::io("expand", self.place.at(Room::Packs, &pack_file(&pack.id))))?;
        }
        Ok(proven)
    }
}
