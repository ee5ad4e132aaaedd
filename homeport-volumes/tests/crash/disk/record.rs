//! Owns the order in which a disk was written and flushed, what a power cut may leave of it, and which of those disks
//! are looked at. A write is safe once a flush came after it; until then each of its blocks may be there or not, whatever
//! came before or after it.

use crate::disk::blocks::{BLOCK, Blocks};
use crate::effort::Draw;

/// One thing that happened to the disk.
#[derive(Debug, Clone)]
enum Event {
    Write { offset: u64, bytes: Vec<u8> },
    Flush,
    Mark,
}

/// What happened to a disk, in order.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    base: Blocks,
    events: Vec<Event>,
}

/// A moment at which the power fails, and what of the writes that were not yet safe is there afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cut {
    /// After this many events.
    pub(crate) at: usize,
    pub(crate) keep: Keep,
}

/// What is kept of writes that are not yet safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    All,
    None,
    /// Some of them, and of a few some blocks only.
    Some {
        seed: u64,
    },
}

impl Record {
    pub(crate) fn new(base: Blocks) -> Self {
        Self { base, events: Vec::new() }
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.events.push(Event::Write { offset, bytes: bytes.to_vec() });
    }

    pub(crate) fn flush(&mut self) {
        self.events.push(Event::Flush);
    }

    pub(crate) fn mark(&mut self) {
        self.events.push(Event::Mark);
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn flushes(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Flush)).count()
    }

    pub(crate) fn writes(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Write { .. })).count()
    }

    pub(crate) fn promises(&self) -> usize {
        self.marks(Cut { at: self.events.len(), keep: Keep::All })
    }

    /// How many marks were set before the cut.
    pub(crate) fn marks(&self, cut: Cut) -> usize {
        self.events[..cut.at].iter().filter(|event| matches!(event, Event::Mark)).count()
    }

    /// At most about `budget` cuts, in ascending order and none twice: every mark, then every moment after a write, then
    /// random losses at random moments. Where that is too much, a part of each that is spread over the whole.
    pub(crate) fn cuts(&self, budget: usize, seed: u64) -> Vec<Cut> {
        let mut draw = Draw::new(seed);
        let mut cuts = vec![Cut { at: 0, keep: Keep::All }];
        let (mut moments, mut losing) = (Vec::new(), Vec::new());
        let mut unsafe_writes = 0;
        for (before, event) in self.events.iter().enumerate() {
            let at = before + 1;
            match event {
                Event::Flush => unsafe_writes = 0,
                Event::Write { .. } => {
                    unsafe_writes += 1;
                    moments.push(at);
                    losing.push(at);
                }
                Event::Mark => {
                    cuts.push(Cut { at, keep: Keep::All });
                    if unsafe_writes > 0 {
                        cuts.push(Cut { at, keep: Keep::None });
                        cuts.extend((0..2).map(|_| Cut { at, keep: Keep::Some { seed: draw.next() } }));
                    }
                }
            }
        }
        let left = budget.saturating_sub(cuts.len());
        let whole = if moments.len() <= left / 2 { moments.len() } else { left / 2 };
        // Spread over the whole: one of each `moments.len() / whole` neighbours.
        cuts.extend((0..whole).map(|n| {
            let (from, to) = (n * moments.len() / whole, (n + 1) * moments.len() / whole);
            Cut { at: moments[from + draw.below(to - from)], keep: Keep::All }
        }));
        if !losing.is_empty() {
            let lossy = left - whole;
            cuts.extend((0..lossy).map(|n| {
                let (from, to) = (n * losing.len() / lossy, (n + 1) * losing.len() / lossy);
                let at = losing[(from + draw.below((to - from).max(1))).min(losing.len() - 1)];
                Cut { at, keep: Keep::Some { seed: draw.next() } }
            }));
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// The disks after these cuts, which are in ascending order.
    pub(crate) fn disks(&self, cuts: impl IntoIterator<Item = Cut>) -> impl Iterator<Item = (Cut, Blocks)> {
        let mut safe = self.base.clone();
        let mut done = 0;
        cuts.into_iter().map(move |cut| {
            let flushed = self.events[..cut.at].iter().rposition(|event| matches!(event, Event::Flush)).unwrap_or(0);
            for event in self.events.get(done..flushed).unwrap_or_default() {
                if let Event::Write { offset, bytes } = event {
                    safe.write(*offset, bytes);
                }
            }
            done = done.max(flushed);
            let mut disk = safe.clone();
            let open = self.events[flushed..cut.at].iter();
            let writes = open.filter_map(|event| match event {
                Event::Write { offset, bytes } => Some((*offset, bytes.as_slice())),
                Event::Flush | Event::Mark => None,
            });
            apply(&mut disk, writes, cut.keep);
            (cut, disk)
        })
    }
}

fn apply<'a>(disk: &mut Blocks, writes: impl Iterator<Item = (u64, &'a [u8])>, keep: Keep) {
    match keep {
        Keep::All => writes.for_each(|(offset, bytes)| disk.write(offset, bytes)),
        Keep::None => {}
        Keep::Some { seed } => {
            let mut draw = Draw::new(seed);
            for (offset, bytes) in writes {
                if draw.one_in(8) {
                    // A cut into pieces ends where blocks of the disk end.
                    let first = BLOCK - usize::try_from(offset % BLOCK as u64).unwrap();
                    let (head, tail) = bytes.split_at(first.min(bytes.len()));
                    let pieces = std::iter::once(head).chain(tail.chunks(BLOCK));
                    let mut at = offset;
                    for piece in pieces {
                        if draw.one_in(2) {
                            disk.write(at, piece);
                        }
                        at += piece.len() as u64;
                    }
                } else if draw.one_in(2) {
                    disk.write(offset, bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Blocks {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 * BLOCK as u64).unwrap();
        Blocks::load(file.path())
    }

    /// Write 0, flush, write 1, write 2, mark, flush, write 3: write n is block n filled with n + 1.
    fn record() -> Record {
        let mut record = Record::new(blank());
        let fill = |record: &mut Record, n: u8| record.write(u64::from(n) * BLOCK as u64, &[n + 1; BLOCK]);
        fill(&mut record, 0);
        record.flush();
        fill(&mut record, 1);
        fill(&mut record, 2);
        record.mark();
        record.flush();
        fill(&mut record, 3);
        record
    }

    fn seen(record: &Record, cut: Cut) -> Vec<u8> {
        let (_, disk) = record.disks([cut]).next().unwrap();
        (0..4).map(|n| disk.read(n * BLOCK as u64 + 7, 1)[0]).collect()
    }

    #[test]
    fn what_was_flushed_is_always_there_and_nothing_later_ever_is() {
        let record = record();
        let cut = |at, keep| Cut { at, keep };
        assert_eq!(seen(&record, cut(0, Keep::All)), [0, 0, 0, 0]);
        assert_eq!(seen(&record, cut(1, Keep::None)), [0, 0, 0, 0]);
        assert_eq!(seen(&record, cut(1, Keep::All)), [1, 0, 0, 0]);
        assert_eq!(seen(&record, cut(5, Keep::None)), [1, 0, 0, 0]);
        assert_eq!(seen(&record, cut(5, Keep::All)), [1, 2, 3, 0]);
        assert_eq!(seen(&record, cut(6, Keep::None)), [1, 2, 3, 0]);
        assert_eq!(seen(&record, cut(7, Keep::None)), [1, 2, 3, 0]);
        let mut subsets: Vec<_> = (0..64).map(|seed| seen(&record, cut(5, Keep::Some { seed }))).collect();
        subsets.sort();
        subsets.dedup();
        assert_eq!(subsets, [[1, 0, 0, 0], [1, 0, 3, 0], [1, 2, 0, 0], [1, 2, 3, 0]]);
    }

    #[test]
    fn a_write_of_many_blocks_is_torn_where_blocks_end() {
        let mut record = Record::new(blank());
        record.write(2 * BLOCK as u64 - 512, &[9; 3 * BLOCK]);
        let torn = (0..64).map(|seed| {
            let (_, disk) = record.disks([Cut { at: 1, keep: Keep::Some { seed } }]).next().unwrap();
            let bytes = disk.read(0, 6 * BLOCK);
            bytes.chunks(512).map(|sector| sector == [9; 512]).collect::<Vec<_>>()
        });
        let torn: Vec<_> =
            torn.filter(|sectors| sectors.contains(&true) && sectors.iter().filter(|s| **s).count() < 24).collect();
        assert!(torn.len() >= 3, "{}", torn.len());
        for sectors in torn {
            assert!(sectors[16..24].iter().all(|s| *s == sectors[16]), "a block is whole: {sectors:?}");
            assert!(sectors[..15].iter().all(|s| !s) && sectors[39..].iter().all(|s| !s), "{sectors:?}");
        }
    }

    #[test]
    fn disks_in_a_row_are_those_one_by_one() {
        let record = record();
        let cuts = record.cuts(100, 1);
        assert!(cuts.len() > 40, "{}", cuts.len());
        for (cut, disk) in record.disks(cuts) {
            let (_, alone) = record.disks([cut]).next().unwrap();
            assert_eq!(disk.read(0, 8 * BLOCK), alone.read(0, 8 * BLOCK), "{cut:?}");
        }
    }

    #[test]
    fn every_mark_and_every_write_is_cut_at_and_the_budget_is_kept() {
        let record = record();
        let cuts = record.cuts(30, 7);
        assert!(cuts.len() <= 30);
        for (at, keep) in
            [(0, Keep::All), (1, Keep::All), (3, Keep::All), (4, Keep::All), (5, Keep::All), (7, Keep::All)]
        {
            assert!(cuts.contains(&Cut { at, keep }), "{at}");
        }
        assert!(cuts.contains(&Cut { at: 5, keep: Keep::None }));
        assert_eq!(record.marks(Cut { at: 5, keep: Keep::All }), 1);
        assert_eq!(record.marks(Cut { at: 4, keep: Keep::All }), 0);
        let few = record.cuts(7, 7);
        assert!(few.contains(&Cut { at: 5, keep: Keep::All }), "marks come first");
    }
}
