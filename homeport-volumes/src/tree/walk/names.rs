//! Owns the names in one directory, sorted: all of them, or as many as fit into a bound, and then the next ones.
//! Never looks at what the names stand for.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir, SeekFrom};
use rustix::io::Errno;

/// A size of buffer for reading directories that costs few calls.
pub(super) const BUFFER: usize = 64 << 10;

/// The memory that the names of one directory may take, before they are read in several turns.
const TURN: usize = 16 << 20;

/// Some names of a directory, in the order of their bytes, each once; and whether there are more after them.
#[derive(Debug)]
pub(super) struct Names {
    /// The names, each with a zero after it.
    arena: Vec<u8>,
    slots: Vec<Slot>,
    next: usize,
    has_more: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The first bytes after what all names begin with; most comparisons end here.
    prefix: u64,
    start: u32,
    length: u16,
    kind: FileType,
}

impl Names {
    /// The names in `directory` that come after `after`, all of them if that is `None`: a directory of any size is read
    /// in turns of bounded memory, each beginning after the last name of the one before.
    pub(super) fn read(directory: BorrowedFd<'_>, after: Option<&[u8]>, buffer: &mut Vec<u8>) -> Result<Self, Errno> {
        Self::read_within(directory, after, buffer, TURN)
    }

    fn read_within(
        directory: BorrowedFd<'_>,
        after: Option<&[u8]>,
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Self, Errno> {
        if after.is_some() {
            rustix::fs::seek(directory, SeekFrom::Start(0))?;
        }
        let mut names = Self { arena: Vec::new(), slots: Vec::new(), next: 0, has_more: false };
        // Where a turn had to leave names out: the first name that is not in it is not below this one.
        let mut bound: Option<Vec<u8>> = None;
        buffer.clear();
        buffer.reserve(BUFFER);
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes_with_nul();
            let bare = &name[..name.len() - 1];
            if bare == b"." || bare == b".." || after.is_some_and(|after| bare <= after) {
                continue;
            }
            if bound.as_ref().is_some_and(|bound| bare > &bound[..]) {
                continue;
            }
            names.push(name, entry.file_type())?;
            if names.size() > limit {
                bound = Some(names.halve());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The next name, with its kind as far as the directory says it.
    pub(super) fn next(&mut self) -> Option<(&CStr, FileType)> {
        let slot = self.slots.get(self.next)?;
        self.next += 1;
        let start = slot.start as usize;
        let name = &self.arena[start..=start + usize::from(slot.length)];
        CStr::from_bytes_with_nul(name).ok().map(|name| (name, slot.kind))
    }

    /// Whether [`next`](Self::next) has no more to give, though the directory may have.
    pub(super) fn is_spent(&self) -> bool {
        self.next >= self.slots.len()
    }

    /// Whether the directory has names after these.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// The name that was given last.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.next.checked_sub(1).and_then(|at| self.slots.get(at)).map(|slot| self.name(slot))
    }

    /// The memory that they take.
    pub(super) fn size(&self) -> usize {
        self.arena.len() + self.slots.len() * size_of::<Slot>()
    }

    fn name(&self, slot: &Slot) -> &[u8] {
        let start = slot.start as usize;
        &self.arena[start..start + usize::from(slot.length)]
    }

    fn push(&mut self, name: &[u8], kind: FileType) -> Result<(), Errno> {
        let start = u32::try_from(self.arena.len()).map_err(|_| Errno::OVERFLOW)?;
        let length = u16::try_from(name.len() - 1).map_err(|_| Errno::NAMETOOLONG)?;
        self.arena.extend_from_slice(name);
        self.slots.push(Slot { prefix: 0, start, length, kind });
        Ok(())
    }

    /// Keeps the lower half, and gives its highest name.
    fn halve(&mut self) -> Vec<u8> {
        self.sort();
        self.slots.truncate(self.slots.len().div_ceil(2));
        self.has_more = true;
        let bytes = self.slots.iter().map(|slot| usize::from(slot.length) + 1).sum();
        let mut arena = Vec::with_capacity(bytes);
        for slot in &mut self.slots {
            let start = slot.start as usize;
            slot.start = u32::try_from(arena.len()).unwrap_or(u32::MAX);
            arena.extend_from_slice(&self.arena[start..=start + usize::from(slot.length)]);
        }
        self.arena = arena;
        self.slots.last().map(|slot| self.name(slot).to_vec()).unwrap_or_default()
    }

    fn sort(&mut self) {
        let Self { arena, slots, .. } = self;
        let name = |slot: &Slot| &arena[slot.start as usize..slot.start as usize + usize::from(slot.length)];
        let Some(first) = slots.first().copied() else { return };
        // Names of one program often begin alike; comparing goes on where they differ.
        let common = slots.iter().fold(name(&first).len(), |common, slot| {
            let (one, other) = (&name(&first)[..common], name(slot));
            one.iter().zip(other).position(|(a, b)| a != b).unwrap_or(common.min(other.len()))
        });
        for slot in slots.iter_mut() {
            let rest = &arena[slot.start as usize + common..slot.start as usize + usize::from(slot.length)];
            // A zero, which no name has, stands for the end: shorter comes first.
            let mut prefix = [0; 8];
            let length = rest.len().min(8);
            prefix[..length].copy_from_slice(&rest[..length]);
            slot.prefix = u64::from_be_bytes(prefix);
        }
        slots.sort_unstable_by(|one, other| {
            one.prefix.cmp(&other.prefix).then_with(|| name(one)[common..].cmp(&name(other)[common..]))
        });
        // A name that is moved while a directory is read may be found twice.
        slots.dedup_by(|one, other| name(one) == name(other));
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::Names;

    #[test]
    fn a_directory_is_read_in_turns_of_bounded_memory() {
        let directory = tempfile::tempdir().unwrap();
        let mut wanted: Vec<String> = (0..3000).map(|number| format!("{}.mail", number * 7919 % 3001)).collect();
        wanted.extend(["a".repeat(255), "-".to_owned(), "0".to_owned(), "00".to_owned()]);
        for name in &wanted {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        wanted.sort();
        let fd = std::fs::File::open(directory.path()).unwrap();
        for limit in [1, 100, 4096, 60_000, 10_000_000] {
            let (mut found, mut turns, mut buffer) = (Vec::new(), 0, Vec::new());
            let mut after: Option<Vec<u8>> = None;
            // The smallest limits take one turn for each name: the end is enough of them.
            if limit < 4096 {
                found.extend_from_slice(&wanted[..2900]);
                after = Some(wanted[2899].clone().into_bytes());
            }
            loop {
                turns += 1;
                // The first turn of all reads from where the descriptor is.
                let from = after.as_deref().or(Some(b"".as_slice()));
                let mut names = Names::read_within(fd.as_fd(), from, &mut buffer, limit).unwrap();
                assert!(names.size() <= limit.max(300), "{} bytes of {limit}", names.size());
                while let Some((name, _)) = names.next() {
                    found.push(name.to_str().unwrap().to_owned());
                }
                assert!(names.is_spent());
                after = names.last().map(<[u8]>::to_vec).or(after);
                if !names.has_more() {
                    break;
                }
            }
            assert_eq!(found, wanted, "{limit}");
            assert_eq!(turns > 1, limit < 100_000, "{turns} turns with {limit}");
        }
    }
}
