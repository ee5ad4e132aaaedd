//! Owns numbers in the text of entries: decimal or hexadecimal, without a sign and without leading zeros.
//! Never accepts a second text for the same number.

/// Adds `number` in decimal digits.
pub(crate) fn write(number: u64, text: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

/// The number that [`write()`] makes this text of, if it fits.
pub(crate) fn read<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    radix(text, 10)
}

/// The number in lowercase hexadecimal digits without a prefix.
pub(crate) fn read_hex<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if text.iter().any(u8::is_ascii_uppercase) { None } else { radix(text, 16) }
}

fn radix<T: TryFrom<u64>>(text: &[u8], radix: u8) -> Option<T> {
    if text.is_empty() || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    let number = text.iter().try_fold(0_u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(radix.into())?;
        sum.checked_mul(radix.into())?.checked_add(digit.into())
    });
    number.and_then(|number| T::try_from(number).ok())
}

/// Adds `bytes` as lowercase hexadecimal digits.
pub(crate) fn write_bytes(bytes: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(bytes.len().saturating_mul(2));
    for byte in bytes {
        text.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// The bytes that lowercase hexadecimal digits stand for.
pub(crate) fn read_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::{read, read_bytes, read_hex, write, write_bytes};

    #[test]
    fn a_number_has_one_text() {
        for number in [0, 1, 9, 10, 4_294_967_296, u64::MAX] {
            let mut text = Vec::new();
            write(number, &mut text);
            assert_eq!(text, number.to_string().into_bytes());
            assert_eq!(read(&text), Some(number));
        }
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "a", "18446744073709551616", "1_0"] {
            assert_eq!(read::<u64>(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!((read::<u32>(b"4294967296"), read_hex::<u8>(b"f8")), (None, Some(0xf8)));
        assert_eq!((read_hex::<u8>(b"F8"), read_hex::<u8>(b"0f"), read_hex::<u64>(b"0x1")), (None, None, None));
    }

    #[test]
    fn bytes_are_pairs_of_lowercase_digits() {
        let mut text = Vec::new();
        write_bytes(&[0, 255, 0x1a], &mut text);
        assert_eq!(text, b"00ff1a");
        assert_eq!(read_bytes(&text), Some(vec![0, 255, 0x1a]));
        assert_eq!(read_bytes(b""), Some(vec![]));
        for bad in [&b"0"[..], b"0A", b"zz", b"0x"] {
            assert_eq!(read_bytes(bad), None);
        }
    }
}
