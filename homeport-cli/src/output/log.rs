//! Owns how a container's output is passed on: as it is to a program, harmless to a terminal, by line as JSON.
//! Pure; never keeps more than the line that is being read.

use homeport_host::engine::Stream;

use super::Format;
use super::page::escape;

/// A line that is longer is passed on in parts.
const LIMIT: usize = 64 << 10;

/// For whom the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogStyle {
    /// A file or a program: every byte as it is.
    Raw,
    /// A terminal: what a stranger made a service log must not move its cursor.
    Terminal,
    /// One JSON object a line.
    Json,
}

impl LogStyle {
    pub(crate) const fn choose(format: Format, is_terminal: bool) -> Self {
        match (format, is_terminal) {
            (Format::Json, _) => Self::Json,
            (Format::Text, true) => Self::Terminal,
            (Format::Text, false) => Self::Raw,
        }
    }
}

/// Output that is put together to lines.
#[derive(Debug)]
pub(crate) struct LogLines {
    style: LogStyle,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl LogLines {
    pub(crate) const fn new(style: LogStyle) -> Self {
        Self { style, out: Vec::new(), err: Vec::new() }
    }

    /// Takes what came, and returns what is to be written.
    pub(crate) fn take(&mut self, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        if self.style == LogStyle::Raw {
            return bytes.to_vec();
        }
        let style = self.style;
        let pending = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let mut written = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            pending.extend_from_slice(part);
            if part.ends_with(b"\n") || pending.len() > LIMIT {
                written.extend(line(style, stream, pending));
                pending.clear();
            }
        }
        written
    }

    /// Nothing more comes: returns what has no end of line.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        for (stream, pending) in [(Stream::Out, &mut self.out), (Stream::Err, &mut self.err)] {
            if !pending.is_empty() {
                written.extend(line(self.style, stream, pending));
                pending.clear();
            }
        }
        written
    }
}

fn line(style: LogStyle, stream: Stream, bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes));
    match style {
        LogStyle::Raw => bytes.to_vec(),
        // A tab does no harm and lines up columns.
        LogStyle::Terminal => {
            let parts: Vec<String> = text.split('\t').map(escape).collect();
            (parts.join("\t") + "\n").into_bytes()
        }
        LogStyle::Json => {
            let stream = match stream {
                Stream::Out => "out",
                Stream::Err => "err",
            };
            (serde_json::json!({ "stream": stream, "line": text }).to_string() + "\n").into_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(style: LogStyle, chunks: &[(Stream, &[u8])]) -> String {
        let mut lines = LogLines::new(style);
        let mut told: Vec<u8> = chunks.iter().flat_map(|(stream, bytes)| lines.take(*stream, bytes)).collect();
        told.extend(lines.end());
        String::from_utf8(told).unwrap()
    }

    const CHUNKS: &[(Stream, &[u8])] =
        &[(Stream::Out, b"one\ntw"), (Stream::Err, b"\x1b[2Jred\tx\r\n"), (Stream::Out, b"o\n\nlast \xff")];

    #[test]
    fn a_program_gets_every_byte_as_it_is() {
        let mut lines = LogLines::new(LogStyle::Raw);
        assert_eq!(lines.take(Stream::Out, b"\x1b[0m\xff\r"), b"\x1b[0m\xff\r");
        assert_eq!(lines.end(), b"");
    }

    #[test]
    fn a_terminal_gets_lines_that_are_whole_and_harmless() {
        assert_eq!(told(LogStyle::Terminal, CHUNKS), "one\n\\u{1b}[2Jred\tx\ntwo\n\nlast \u{fffd}\n");
    }

    #[test]
    fn json_says_which_output_a_line_is_of() {
        let wanted = "{\"line\":\"one\",\"stream\":\"out\"}\n{\"line\":\"\\u001b[2Jred\\tx\",\"stream\":\"err\"}\n\
                      {\"line\":\"two\",\"stream\":\"out\"}\n{\"line\":\"\",\"stream\":\"out\"}\n\
                      {\"line\":\"last \u{fffd}\",\"stream\":\"out\"}\n";
        assert_eq!(told(LogStyle::Json, CHUNKS), wanted);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut lines = LogLines::new(LogStyle::Terminal);
        let chunk = [b'x'; 1000];
        for _ in 0..200 {
            lines.take(Stream::Out, &chunk);
            assert!(lines.out.len() <= LIMIT + chunk.len());
        }
    }
}
