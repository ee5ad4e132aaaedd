//! Owns the header of a pack's member, 512 bytes of `ustar`, in the one form in which it is written. [spec: STO-6]
//! Never reads a pack.

use super::record::Form;
use crate::store::identity::ObjectId;
use crate::store::object::OBJECT_MAX;

/// The unit of a tar file.
pub(crate) const BLOCK: usize = 512;

/// What stands at the end of a pack: two blocks of zeros. [spec: STO-6]
pub(crate) const TRAILER: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;

/// The header of the member that holds `stored` bytes of an object.
pub(crate) fn render(object: &ObjectId, form: Form, stored: u32) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let hex = object.hex();
    block[..64].copy_from_slice(hex.as_str().as_bytes());
    if form == Form::Zstd {
        block[64..68].copy_from_slice(b".zst");
    }
    block[100..108].copy_from_slice(b"0000400\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[SIZE].copy_from_slice(&octal(stored));
    block[136..148].copy_from_slice(b"00000000000\0");
    block[SUM].copy_from_slice(b"        ");
    block[156] = b'0';
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let digits = octal(sum);
    // Six digits, a zero, a blank: the form that every tar reads.
    block[148..154].copy_from_slice(&digits[5..11]);
    block[154..156].copy_from_slice(b"\0 ");
    block
}

/// Eleven octal digits and a zero; eleven hold every 32-bit number.
fn octal(number: u32) -> [u8; 12] {
    let mut digits = [b'0'; 12];
    digits[11] = 0;
    let mut rest = number;
    for digit in digits[..11].iter_mut().rev() {
        *digit = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    digits
}

/// What a header says: object, form and stored length.
///
/// # Errors
/// It is not, byte for byte, the header that [`render`] makes for what it says.
pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<(ObjectId, Form, u32), &'static str> {
    let name = &block[NAME];
    let object = ObjectId::read(&name[..64]).ok_or("a member's name is not an object's")?;
    let form = match name[64..68] {
        [0, 0, 0, 0] => Form::Raw,
        [b'.', b'z', b's', b't'] => Form::Zstd,
        _ => return Err("a member's name is not an object's"),
    };
    let digits = block[SIZE].strip_suffix(&[0]).ok_or("a member's size is not a number")?;
    let stored = digits.iter().try_fold(0_u32, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u32::from(digit - b'0')),
        _ => None,
    });
    let stored = stored.filter(|stored| *stored as usize <= OBJECT_MAX).ok_or("a member's size is not an object's")?;
    if render(&object, form, stored) == *block {
        Ok((object, form, stored))
    } else {
        Err("a member's header is not the one for its name and size")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_other() {
        let object = ObjectId::of(b"x");
        for (form, stored) in [(Form::Raw, 0), (Form::Raw, 1), (Form::Zstd, 777), (Form::Raw, 1 << 20)] {
            let block = render(&object, form, stored);
            assert_eq!(parse(&block), Ok((object, form, stored)));
            for at in 0..BLOCK {
                for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                    let mut bad = block;
                    bad[at] ^= flip;
                    assert!(parse(&bad).is_err(), "{at} {flip}");
                }
            }
        }
        assert!(parse(&render(&object, Form::Raw, (1 << 20) + 1)).is_err());
        assert!(parse(&[0; BLOCK]).is_err());
    }
}
