//! Owns where a large file is cut into pieces: at places that its content chooses, so that an insertion or an overwritten
//! page changes the pieces around it and no other. Never reads a file and never knows where in a file it is.
//!
//! The places are a promise to every snapshot that exists: were they to move, the next snapshot of each large file would
//! store the whole file again (nothing would be lost). So the rule is written out here and pinned by a test, instead of
//! being a dependency's: a gear hash with two thresholds, as in the `FastCDC` papers (Xia and others, 2016 and 2020), whose
//! table is the sequence of splitmix64 from [`SEED`].

/// No piece is shorter, except the last one of a run of data.
pub(super) const SHORTEST: usize = 32 * 1024;

/// Where the rule turns from reluctant to eager: most pieces are about this long.
pub(super) const USUAL: usize = 128 * 1024;

/// No piece is longer.
pub(super) const LONGEST: usize = 512 * 1024;

/// Up to [`USUAL`] one place in 2^19 is a cut, after it one in 2^15.
const RELUCTANT: u64 = 1 << (64 - 19);
const EAGER: u64 = 1 << (64 - 15);

const SEED: u64 = 0x486f_6d65_506f_7274;

static GEAR: [u64; 256] = gear();

/// How many bytes of `data` the next piece takes.
///
/// `data` is what follows in the run: all that is left of it, or at least [`LONGEST`] bytes. The answer is then the same
/// however much more of the run `data` holds. It is 0 only for no data.
pub(super) fn cut(data: &[u8]) -> usize {
    let data = data.get(..LONGEST).unwrap_or(data);
    if data.len() <= SHORTEST {
        return data.len();
    }
    let (usual, _) = data.split_at(data.len().min(USUAL));
    let mut hash = 0_u64;
    // The hash of a place is that of the 64 bytes before it; the bytes that no piece can end in need no look.
    if let Some(end) = scan(&mut hash, usual, SHORTEST - 64, RELUCTANT) {
        return end;
    }
    scan(&mut hash, data, usual.len(), EAGER).unwrap_or(data.len())
}

/// The end of the first place at or after `from`, not before [`SHORTEST`], whose hash is below `threshold`.
fn scan(hash: &mut u64, data: &[u8], from: usize, threshold: u64) -> Option<usize> {
    let mut h = *hash;
    let mut at = from;
    for byte in data.get(from..)? {
        h = (h << 1).wrapping_add(GEAR[usize::from(*byte)]);
        at += 1;
        if h < threshold && at >= SHORTEST {
            return Some(at);
        }
    }
    *hash = h;
    None
}

const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = SEED;
    let mut i = 0;
    while i < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[i] = z ^ (z >> 31);
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern, the same on every run and machine.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&(state >> 24).to_le_bytes()[..5]);
        }
        bytes.truncate(length);
        bytes
    }

    fn ends(mut data: &[u8]) -> Vec<usize> {
        let mut ends = Vec::new();
        let mut at = 0;
        while !data.is_empty() {
            let length = cut(data);
            at += length;
            ends.push(at);
            data = &data[length..];
        }
        ends
    }

    /// These figures may never change: see the head of this file.
    #[test]
    fn the_places_are_the_same_for_ever() {
        assert_eq!((GEAR[0], GEAR[255]), (0xa659_a153_e21d_e088, 0x3452_c5e2_8b28_80ca));
        assert_eq!(
            ends(&noise(1, 2_000_000)),
            [
                55_649, 228_266, 393_745, 441_103, 577_527, 715_218, 852_720, 1_005_700, 1_147_584, 1_287_038,
                1_439_590, 1_576_269, 1_790_665, 1_840_751, 1_977_817, 2_000_000
            ]
        );
        assert_eq!(ends(&vec![0; 1_100_000]), [524_288, 1_048_576, 1_100_000], "one byte over and over");
    }

    #[test]
    fn every_piece_is_within_the_bounds_and_most_are_of_the_usual_length() {
        let data = noise(7, 16 << 20);
        let ends = ends(&data);
        let mut before = 0;
        for end in &ends {
            let length = end - before;
            assert!(length <= LONGEST && (length >= SHORTEST || *end == data.len()), "{length} at {end}");
            before = *end;
        }
        assert!((90..200).contains(&ends.len()), "{} pieces of 16 MiB", ends.len());
    }

    #[test]
    fn what_follows_the_longest_piece_does_not_matter() {
        let data = noise(3, 4 << 20);
        let mut at = 0;
        while at + LONGEST < data.len() {
            let length = cut(&data[at..]);
            assert_eq!(length, cut(&data[at..at + LONGEST]));
            at += length;
        }
    }

    #[test]
    fn short_data_is_one_piece() {
        for length in [0, 1, 63, SHORTEST - 1, SHORTEST] {
            assert_eq!(cut(&noise(5, length)), length);
        }
    }

    /// What one overwritten page of 8 KiB costs: the pieces that are not among those before. [goal of 300 KiB]
    #[test]
    fn an_overwritten_page_changes_few_pieces_and_the_cuts_come_together_again() {
        let before = noise(11, 8 << 20);
        let pieces = |data: &[u8]| {
            let mut start = 0;
            ends(data).into_iter().map(|end| data[std::mem::replace(&mut start, end)..end].to_vec()).collect::<Vec<_>>()
        };
        let known: std::collections::HashSet<_> = pieces(&before).into_iter().collect();
        let mut stored = Vec::new();
        for page in (0..before.len() / 8192).step_by(16) {
            let mut after = before.clone();
            after[page * 8192..(page + 1) * 8192].copy_from_slice(&noise(1000 + page as u64, 8192));
            stored.push(pieces(&after).iter().filter(|piece| !known.contains(*piece)).map(Vec::len).sum::<usize>());
        }
        let mean = stored.iter().sum::<usize>() / stored.len();
        assert!(mean <= 300 * 1024, "{mean} bytes stored for an 8 KiB page, {stored:?}");
    }
}
