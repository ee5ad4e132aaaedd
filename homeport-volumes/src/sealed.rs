//! Owns the checksum that a document of HomePort's own carries in itself. Never reads or writes a file.

use homeport_core::digest::Digest;
use sha2::{Digest as _, Sha256};

/// What a document says as its checksum while the checksum is not known yet.
pub(crate) const UNSEALED: Digest = Digest::new([0; 32]);

/// The digest of `bytes` in which the 64 digits of `own`, where they stand last, are replaced by `0`, so that it can be
/// checked with `sed` and `sha256sum`. [spec: VOL-9]
pub(crate) fn digest_of(bytes: &[u8], own: &Digest) -> Digest {
    let digits = own.hex().into_bytes();
    let at = bytes.windows(digits.len()).rposition(|window| window == digits);
    let (before, after) = at.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + digits.len()..]));
    let zeros: &[u8] = if at.is_some() { &[b'0'; 64] } else { &[] };
    Digest::new(Sha256::new().chain_update(before).chain_update(zeros).chain_update(after).finalize().into())
}
