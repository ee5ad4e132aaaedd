//! Owns the way in which bytes stand in a text: printable ASCII as it is, everything else as `printf` reads it.
//! Never decides which bytes may be in a name.

/// Whether a byte stands for itself. [spec: STO-15]
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'%' | b',')
}

/// Adds `bytes` to `text`, escaped. [spec: STO-15]
pub(crate) fn write(bytes: &[u8], text: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| !is_plain(*byte)) {
        let (plain, special) = rest.split_at(at);
        text.extend_from_slice(plain);
        let byte = special[0];
        text.extend_from_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
        rest = &special[1..];
    }
    text.extend_from_slice(rest);
}

/// The bytes that an escaped text stands for; `None` unless the text is exactly what [`write()`] makes of them: each
/// string of bytes has one text, so that equal entries have equal names. [spec: STO-15]
pub(crate) fn read(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !is_plain(*byte)) {
        let (plain, special) = rest.split_at(at);
        bytes.extend_from_slice(plain);
        let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = special else { return None };
        let byte = (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0');
        if is_plain(byte) {
            return None;
        }
        bytes.push(byte);
        rest = after;
    }
    bytes.extend_from_slice(rest);
    Some(bytes)
}

/// The text for `bytes`: one word of printable ASCII, safe to print on a terminal and to give to `printf`.
/// [spec: STO-15]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    write(bytes, &mut text);
    text.into_iter().map(char::from).collect()
}

/// The bytes that `text` stands for, if [`escaped`] makes exactly this text of them. [spec: STO-15]
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    read(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{escaped, unescaped};

    #[test]
    fn what_printf_would_read_otherwise_is_escaped() {
        for (bytes, text) in [
            (&b"plain.txt"[..], "plain.txt"),
            (b"a b", "a\\040b"),
            (b"100%,\\n\n\t", "100\\045\\054\\134n\\012\\011"),
            (b"\x00\x7f\xff\xc3\xa4", "\\000\\177\\377\\303\\244"),
            (b"=:-!~/", "=:-!~/"),
        ] {
            assert_eq!(escaped(bytes), text);
            assert_eq!(unescaped(text).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn only_the_one_text_for_bytes_is_read() {
        for text in
            ["\\", "\\1", "\\04", "\\400", "\\8", "\\101", "\\n", "a b", "a%b", "a,b", "\u{7f}", "\\x20", "ä", "\\0 0"]
        {
            assert_eq!(unescaped(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_and_texts_are_unique(bytes: Vec<u8>, text in "[ -~]{0,12}") {
            let written = escaped(&bytes);
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(unescaped(&written), Some(bytes));
            if let Some(read) = unescaped(&text) {
                prop_assert_eq!(escaped(&read), text);
            }
        }
    }
}
