//! Owns the comparison of what a volume held at its last snapshot with a quick look at what it holds. Pure.

use homeport_core::unit::Bytes;

use crate::facts::{Reached, Sample};
use crate::request::Known;

/// Fewer entries than this are no measure.
const ENTRIES: u64 = 20;
/// Fewer bytes than this are no measure.
const BYTES: u64 = 1 << 20;

/// How much is gone for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// More than half of the entries, or of the bytes.
    Half,
    /// More than nine tenths of the entries, and of the bytes where there were many.
    Most,
}

/// What is gone, with what was there and what is there in words; `None` where that much is not certain, for example
/// because more is there than a quick look reaches. [spec: VOL-36]
pub(super) fn loss(known: Option<&Known>, sample: Option<&Sample>) -> Option<(Loss, String, String)> {
    let then = known?.counted?;
    let now = sample.filter(|sample| sample.reached == Reached::Everything)?;
    let entries = |times: u64| then.entries >= ENTRIES && now.entries.saturating_mul(times) < then.entries;
    let bytes = |times: u64| then.bytes.get() >= BYTES && now.bytes.get().saturating_mul(times) < then.bytes.get();
    let loss = if entries(10) && (bytes(10) || then.bytes.get() < BYTES) {
        Loss::Most
    } else if entries(2) || bytes(2) {
        Loss::Half
    } else {
        return None;
    };
    let words = |entries: u64, bytes: Bytes| format!("{entries} entries with {bytes} bytes");
    Some((loss, words(then.entries, then.bytes), words(now.entries, now.bytes)))
}
