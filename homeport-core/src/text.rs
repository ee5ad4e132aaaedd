//! Owns how text from outside is shown inside a message: cut to a length, control characters escaped.
//! Never decides what may be shown: secrets do not come here.

/// The text, at most `max` characters of it, with what is not seen escaped, so that it can't forge a line or turn the
/// order of what is read.
pub fn clip(text: &str, max: usize) -> String {
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == max {
            shown.push('…');
            break;
        }
        if c.is_control() || is_unseen(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Characters that have no shape of their own: joiners, marks of direction, line and paragraph separators.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The offered word that differs least from `found`, if any is near enough to be a likely slip.
pub fn nearest<'a>(found: &str, offered: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    offered
        .map(|word| (distance(found, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len().min(found.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many single edits (insert, delete, replace) turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_cannot_forge_a_line() {
        assert_eq!(clip("a\nb\u{1b}[31m", 60), "a\\nb\\u{1b}[31m");
        assert_eq!(clip("äöü", 2), "äö…");
        assert_eq!(clip("a\u{202e}b\u{2028}c", 60), "a\\u{202e}b\\u{2028}c");
    }

    #[test]
    fn only_a_likely_slip_is_suggested() {
        let offered = ["shell", "motd", "authorized_keys"];
        assert_eq!(nearest("shel", offered.into_iter()), Some("shell"));
        assert_eq!(nearest("autorised_keys", offered.into_iter()), Some("authorized_keys"));
        assert_eq!(nearest("colour", offered.into_iter()), None);
    }
}
