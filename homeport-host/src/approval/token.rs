//! Owns the token by which an operator says "yes, exactly that". Never knows what it is for.

use std::fmt;
use std::str::FromStr;

use homeport_core::digest::Digest;
use homeport_core::fault::Advice;
use sha2::Digest as _;

/// The digits of a token: 32, none of which is taken for another.
const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// How many digits a token has: 80 bits.
const LENGTH: usize = 16;
/// How many stand together.
const GROUP: usize = 4;

/// A token: 80 random bits, written as four groups of four, `kq7m-2fwx-9d4t-hz3a`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the token of an approval: wanted four groups of four, such as `kq7m-2fwx-9d4t-hz3a`")]
pub struct TokenError(pub String);

impl Advice for TokenError {
    fn code(&self) -> &'static str {
        "HP-APR-001"
    }

    fn help(&self) -> Option<String> {
        Some("run the same command with `--dry-run`: it shows what would be done, and the token for that".to_owned())
    }
}

impl Token {
    /// The token of these bits.
    pub fn from_bits(bits: [u8; 10]) -> Self {
        let number = bits.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let digit = |place: usize| {
            let index = (number >> (5 * (LENGTH - 1 - place))) & 31;
            DIGITS.get(usize::try_from(index).unwrap_or_default()).map_or('a', |digit| char::from(*digit))
        };
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
        for place in 0..LENGTH {
            if place > 0 && place.is_multiple_of(GROUP) {
                text.push('-');
            }
            text.push(digit(place));
        }
        Self(text)
    }

    /// What the ledger remembers of it.
    pub fn digest(&self) -> Digest {
        Digest::new(sha2::Sha256::digest(self.0.as_bytes()).into())
    }

    /// The token as the operator types it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    /// Shows nothing of it: logs are not the place for consent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Token {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let groups: Vec<&str> = text.split('-').collect();
        let good = groups.len() == LENGTH / GROUP
            && groups.iter().all(|group| group.len() == GROUP && group.bytes().all(|byte| DIGITS.contains(&byte)));
        if good { Ok(Self(text.to_owned())) } else { Err(TokenError(homeport_core::text::clip(text, 60))) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_token_is_read_as_it_is_written_and_no_two_are_the_same(one: [u8; 10], other: [u8; 10]) {
            let token = Token::from_bits(one);
            prop_assert_eq!(token.as_str().len(), 19);
            prop_assert_eq!(token.as_str().parse::<Token>().unwrap(), token.clone());
            prop_assert_eq!(token == Token::from_bits(other), one == other);
            prop_assert_eq!(token.digest() == Token::from_bits(other).digest(), one == other);
        }
    }

    #[test]
    fn what_is_no_token_is_refused_and_none_is_shown_in_logs() {
        assert_eq!(Token::from_bits([0; 10]).as_str(), "aaaa-aaaa-aaaa-aaaa");
        assert_eq!(Token::from_bits([255; 10]).as_str(), "9999-9999-9999-9999");
        for bad in ["", "aaaa-aaaa-aaaa", "aaaa-aaaa-aaaa-aaal", "AAAA-aaaa-aaaa-aaaa", "aaaaaaaaaaaaaaaa", "yes"] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", Token::from_bits([7; 10])), "Token(..)");
    }
}
