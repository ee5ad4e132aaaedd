//! Owns sha256 digests as values. Never computes one: core has no IO and links no hash.

use std::fmt;
use std::str::FromStr;

/// A sha256 digest, written `sha256:` and 64 lowercase hexadecimal digits, as engines write image ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: wanted `sha256:` and 64 hexadecimal digits")]
pub struct DigestError(pub String);

impl Digest {
    /// The digest with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hexadecimal digits without the prefix.
    pub fn hex(&self) -> String {
        let nibble = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        self.0.iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect()
    }

    /// The first 12 hexadecimal digits, as the engine's own tools show an image.
    pub fn short(&self) -> String {
        self.hex().chars().take(12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let digits = text.strip_prefix("sha256:")?.as_bytes();
            let nibble = |b: u8| match b {
                b'0'..=b'9' => Some(b - b'0'),
                b'a'..=b'f' => Some(b - b'a' + 10),
                _ => None,
            };
            let mut bytes = [0; 32];
            if digits.len() != 64 {
                return None;
            }
            for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
            }
            Some(Self(bytes))
        };
        parse().ok_or_else(|| DigestError(text.to_owned()))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn only_the_engines_form_is_a_digest() {
        let text = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        for bad in ["", "sha256:", &text[7..], &text.to_uppercase(), &format!("{text}0"), "sha512:00"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
