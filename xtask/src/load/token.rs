//! Owns what tells this benchmark's bytes from anybody else's. Never sends them.

use std::convert::Infallible;
use std::str::FromStr;

/// The size of a request, and of an answer.
pub(crate) const SIZE: usize = 64;

/// 64 bytes that only the two sides of one benchmark know. Bulk data repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token([u8; SIZE]);

impl FromStr for Token {
    type Err = Infallible;

    /// Any word makes one.
    fn from_str(word: &str) -> Result<Self, Infallible> {
        let mut bytes = [b'.'; SIZE];
        for (to, from) in bytes.iter_mut().zip(word.bytes().cycle()) {
            *to = from;
        }
        Ok(Self(bytes))
    }
}

impl Token {
    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8; SIZE] {
        &self.0
    }

    /// So many bytes of bulk data, whole tokens.
    pub(super) fn repeated(&self, tokens: usize) -> Vec<u8> {
        self.0.repeat(tokens)
    }

    /// Whether bulk data can have these bytes at this place: their ends are looked at.
    pub(super) fn fits(&self, at: usize, bytes: &[u8]) -> bool {
        let right = |place: usize| bytes.get(place).is_none_or(|byte| *byte == self.0[(at + place) % SIZE]);
        right(0) && right(bytes.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_data_of_another_benchmark_or_place_does_not_fit() {
        let (ours, theirs): (Token, Token) = ("round-1".parse().unwrap(), "other".parse().unwrap());
        let data = ours.repeated(3);
        assert!(ours.fits(0, &data) && ours.fits(64, &data) && ours.fits(70, &data[70..99]) && ours.fits(5, &[]));
        assert!(!ours.fits(1, &data) && !theirs.fits(0, &data));
    }
}
