//! Owns the content of a disk in memory: blocks that were never written are zero and take no room, copies share what is
//! equal. Never knows in which order anything came.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// What a disk writes as a whole or not at all.
pub(crate) const BLOCK: usize = 4096;

type Block = [u8; BLOCK];

/// The bytes of a disk.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    size: u64,
    written: BTreeMap<u64, Arc<Block>>,
}

/// One block's share of a range: the block, where the share begins in it, and where it begins and ends in the range.
struct Share {
    block: u64,
    within: usize,
    from: usize,
    to: usize,
}

fn shares(offset: u64, length: usize) -> impl Iterator<Item = Share> {
    let size = BLOCK as u64;
    let mut from = 0;
    std::iter::from_fn(move || {
        (from < length).then(|| {
            let at = offset + from as u64;
            let within = usize::try_from(at % size).unwrap();
            let to = length.min(from + BLOCK - within);
            let share = Share { block: at / size, within, from, to };
            from = to;
            share
        })
    })
}

impl Blocks {
    /// The content of a file.
    pub(crate) fn load(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let mut blocks = Self { size: file.metadata().unwrap().len(), written: BTreeMap::new() };
        let mut buffer = vec![0; 256 * BLOCK];
        let mut offset = 0;
        while offset < blocks.size {
            let length = file.read_at(&mut buffer, offset).unwrap();
            for share in shares(offset, length) {
                let bytes = &buffer[share.from..share.to];
                if bytes.iter().any(|byte| *byte != 0) {
                    blocks.write(share.block * BLOCK as u64, bytes);
                }
            }
            offset += length as u64;
        }
        blocks
    }

    /// Writes a file of the same size with this content; what is zero takes no room in it.
    pub(crate) fn save(&self, path: &Path) {
        let file = File::create_new(path).unwrap();
        file.set_len(self.size).unwrap();
        let mut run: Vec<u8> = Vec::new();
        let mut begin = 0;
        for (at, block) in self.written.iter().filter(|(_, block)| block.iter().any(|byte| *byte != 0)) {
            let offset = at * BLOCK as u64;
            if offset != begin + run.len() as u64 {
                file.write_all_at(&run, begin).unwrap();
                run.clear();
                begin = offset;
            }
            run.extend_from_slice(&**block);
        }
        file.write_all_at(&run, begin).unwrap();
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for share in shares(offset, length) {
            if let Some(block) = self.written.get(&share.block) {
                let length = share.to - share.from;
                bytes[share.from..share.to].copy_from_slice(&block[share.within..share.within + length]);
            }
        }
        bytes
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        assert!(offset + bytes.len() as u64 <= self.size, "written past the end of the disk");
        for share in shares(offset, bytes.len()) {
            let block = Arc::make_mut(self.written.entry(share.block).or_insert_with(|| Arc::new([0; BLOCK])));
            let length = share.to - share.from;
            block[share.within..share.within + length].copy_from_slice(&bytes[share.from..share.to]);
        }
    }

    /// Where `needle`, which is not longer than a block and lies in one, stands.
    pub(crate) fn find(&self, needle: &[u8]) -> Option<u64> {
        let within = |block: &Block| block.windows(needle.len()).position(|window| window == needle);
        self.written.iter().find_map(|(at, block)| Some(at * BLOCK as u64 + within(block)? as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_across_blocks_and_in_copies() {
        let mut disk = Blocks { size: 8 * BLOCK as u64, written: BTreeMap::new() };
        let bytes: Vec<u8> = (0..2 * BLOCK).map(|n| u8::try_from(n % 251).unwrap()).collect();
        disk.write(4000, &bytes);
        let before = disk.clone();
        disk.write(5000, b"needle");
        assert_eq!(before.read(4000, bytes.len()), bytes);
        assert_eq!(before.read(0, 4000), vec![0; 4000]);
        assert_eq!(disk.read(4999, 8), [&bytes[999..1000], b"needle", &bytes[1006..1007]].concat());
        assert_eq!((disk.find(b"needle"), before.find(b"needle")), (Some(5000), None));

        let dir = tempfile::tempdir().unwrap();
        disk.save(&dir.path().join("image"));
        let again = Blocks::load(&dir.path().join("image"));
        assert_eq!(again.read(0, 8 * BLOCK), disk.read(0, 8 * BLOCK));
        assert_eq!(again.size(), disk.size());
    }
}
