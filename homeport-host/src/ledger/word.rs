//! Owns how a choice among a few is written in the ledger: one lowercase word each, the same on disk and on screen.
//! Never decides what a choice means.

/// A word in the ledger that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {kind}: wanted one of {wanted}")]
pub struct WordError {
    /// What the word would have chosen.
    pub kind: &'static str,
    /// The word as it was found.
    pub found: String,
    /// The words that there are.
    pub wanted: &'static str,
}

/// Makes an enum whose values are words, with the text form in both directions.
macro_rules! word_enum {
    (
        $(#[$doc:meta])* $name:ident, $kind:literal, $wanted:literal,
        { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The word that stands for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ledger::WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::ledger::WordError { kind: $kind, found: text.to_owned(), wanted: $wanted }),
                }
            }
        }
    };
}

pub(super) use word_enum;
