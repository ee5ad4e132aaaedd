//! Owns the form of an object's bytes in a pack: compressed where it pays, and back again without trusting a length.
//! Never reads or writes a file.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use super::document::Compression;
use super::object::OBJECT_MAX;
use super::pack::header::BLOCK;
use super::pack::record::Form;

/// The fastest of the ordinary levels: less processor time than hashing and writing together.
pub(super) const LEVEL: i32 = 1;

/// Makes frames of objects.
pub(crate) struct Press {
    compressor: Option<Compressor<'static>>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Press {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Press").field("compresses", &self.compressor.is_some()).finish_non_exhaustive()
    }
}

impl Press {
    /// What `compression` asks for.
    pub(crate) fn new(compression: Compression) -> std::io::Result<Self> {
        let compressor = match compression {
            Compression::Zstd => Some(Compressor::new(LEVEL)?),
            Compression::None => None,
        };
        Ok(Self { compressor, buffer: Vec::new() })
    }

    /// The bytes to store for an object: a frame if it saves at least one block and 3 of 100 bytes.
    pub(crate) fn press<'a>(&'a mut self, bytes: &'a [u8]) -> std::io::Result<(Form, &'a [u8])> {
        let Some(compressor) = self.compressor.as_mut().filter(|_| bytes.len() > BLOCK) else {
            return Ok((Form::Raw, bytes));
        };
        self.buffer.clear();
        self.buffer.reserve(zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, &mut self.buffer)?;
        let blocks = |length: usize| length.div_ceil(BLOCK);
        let pays =
            self.buffer.len() <= bytes.len() - bytes.len() / 32 && blocks(self.buffer.len()) < blocks(bytes.len());
        Ok(if pays { (Form::Zstd, &self.buffer) } else { (Form::Raw, bytes) })
    }
}

/// Makes objects of frames.
pub(crate) struct Expand {
    decompressor: Decompressor<'static>,
}

impl std::fmt::Debug for Expand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expand").finish_non_exhaustive()
    }
}

impl Expand {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { decompressor: Decompressor::new()? })
    }

    /// Puts the `length` bytes of the one frame `stored` into `bytes`. Never takes more memory than that.
    ///
    /// # Errors
    /// It is no frame, more than one, or of another length.
    pub(crate) fn expand(&mut self, stored: &[u8], length: u32, bytes: &mut Vec<u8>) -> Result<(), String> {
        let says = content_length(stored)?;
        if says != length {
            return Err(format!("its frame says {says} bytes, its pack {length}"));
        }
        if zstd_safe::find_frame_compressed_size(stored).ok() != Some(stored.len()) {
            return Err("it is not exactly one frame".to_owned());
        }
        bytes.clear();
        // The capacity is the limit that the decoder keeps; one byte for frames of none.
        bytes.reserve_exact((length as usize).max(1));
        match self.decompressor.decompress_to_buffer(stored, bytes) {
            Ok(got) if got == length as usize => Ok(()),
            Ok(got) => Err(format!("its frame gives {got} bytes instead of {length}")),
            Err(error) => Err(format!("its frame cannot be expanded: {error}")),
        }
    }
}

/// The length that a frame says at its beginning, at most that of an object.
pub(crate) fn content_length(stored: &[u8]) -> Result<u32, String> {
    match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(length)) => u32::try_from(length)
            .ok()
            .filter(|length| *length as usize <= OBJECT_MAX)
            .ok_or_else(|| format!("its frame says {length} bytes, more than an object has")),
        Ok(None) => Err("its frame does not say how long it is".to_owned()),
        Err(_) => Err("it is not a frame".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gets_smaller_is_compressed() {
        let mut press = Press::new(Compression::Zstd).unwrap();
        let noise: Vec<u8> =
            (0_u32..40_000).map(|n| (n.wrapping_mul(2_654_435_761) ^ n.wrapping_mul(n)).to_le_bytes()[2]).collect();
        for (bytes, form) in [
            (&[][..], Form::Raw),
            (&[b'a'; 512], Form::Raw),
            (&[b'a'; 513], Form::Zstd),
            (&vec![b'a'; OBJECT_MAX], Form::Zstd),
        ] {
            let (found, stored) = press.press(bytes).unwrap();
            assert_eq!(found, form, "{}", bytes.len());
            if form == Form::Zstd {
                let (stored, mut back) = (stored.to_vec(), Vec::new());
                Expand::new().unwrap().expand(&stored, u32::try_from(bytes.len()).unwrap(), &mut back).unwrap();
                assert_eq!(back, bytes);
            }
        }
        let (form, stored) = press.press(&noise).unwrap();
        assert!(form == Form::Raw || stored.len() <= noise.len() - noise.len() / 32);
        let mut plain = Press::new(Compression::None).unwrap();
        assert_eq!(plain.press(&[b'a'; 9000]).unwrap(), (Form::Raw, &[b'a'; 9000][..]));
    }

    /// A frame of some hundred bytes that says, or gives, gigabytes.
    #[test]
    fn a_bomb_is_refused_before_memory_is_taken() {
        let mut expand = Expand::new().unwrap();
        let mut bytes = Vec::new();
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        assert!(bomb.len() < 16_384);
        expand.expand(&bomb, 1 << 20, &mut bytes).unwrap_err();
        assert!(bytes.capacity() < 1 << 21);
        let two = [zstd::bulk::compress(b"one", 1).unwrap(), zstd::bulk::compress(&[0; 4096], 1).unwrap()].concat();
        expand.expand(&two, 3, &mut bytes).unwrap_err();
        let mut silent = Compressor::new(1).unwrap();
        silent.include_contentsize(false).unwrap();
        let silent = silent.compress(&[0; 4096]).unwrap();
        expand.expand(&silent, 4096, &mut bytes).unwrap_err();
        let honest = zstd::bulk::compress(&[7; 4096], 1).unwrap();
        expand.expand(&honest, 4095, &mut bytes).unwrap_err();
        expand.expand(&honest[..honest.len() - 1], 4096, &mut bytes).unwrap_err();
        expand.expand(&honest, 4096, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 4096]);
    }
}
