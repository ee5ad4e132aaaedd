//! Owns lines of text for people. Whatever a line is made of, it stays one line and moves no cursor: control characters
//! and those that turn the direction of text are written as escapes. Never writes to a terminal itself.

use std::fmt;

/// Text that is being put together, line by line.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Adds one line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        self.0.push_str(&escape(&text.to_string()));
        self.0.push('\n');
    }

    /// Adds an empty line.
    pub(crate) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// The text; every line ends with a line feed.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// The text on one line, harmless to a terminal.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Whether a character changes the direction of the text around it, so that what is read is not what is there.
const fn turns(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_can_forge_another_or_move_the_cursor() {
        let mut page = Page::default();
        page.line("ok\nerror: no\r\u{1b}[2J\u{9b}1m\u{202e}tab\t.");
        page.line("äöü 漢字");
        let text = page.into_text();
        assert_eq!(text, "ok\\nerror: no\\r\\u{1b}[2J\\u{9b}1m\\u{202e}tab\\t.\näöü 漢字\n");
    }
}
