//! Owns reading the values of configuration keys that are in files. Never judges them: the port's manifest does.

use std::fs::File;
use std::io::{self, Read};

use homeport_core::config::{Given, Source};

use crate::args::{FileValue, ValueSource};
use crate::failure::Failure;

/// The most bytes of one value: certificates and key lists are far smaller.
const LIMIT: u64 = 1 << 20;

/// The values as given: those of the command line first, then those of files.
///
/// # Errors
/// A file that cannot be read, is no text or is larger than 1 MiB; standard input asked for twice.
pub(crate) fn read_values(mut given: Vec<Given>, files: Vec<FileValue>) -> Result<Vec<Given>, Failure> {
    if files.iter().filter(|file| file.from == ValueSource::Stdin).count() > 1 {
        return Err(Failure::Usage {
            message: "more than one value is to be read from standard input".to_owned(),
            help: "name a file for all but one of them",
        });
    }
    for file in files {
        let (read, from) = match &file.from {
            ValueSource::Stdin => (read_text(io::stdin().lock()), "standard input".to_owned()),
            ValueSource::File(path) => (File::open(path).and_then(read_text), format!("`{}`", path.display())),
        };
        match read {
            Ok(text) => given.push(Given { key: file.key, text, source: Source::File }),
            Err(source) => return Err(Failure::Value { key: file.key, from, source }),
        }
    }
    Ok(given)
}

fn read_text(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(LIMIT + 1).read_to_end(&mut bytes)?;
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message);
    if bytes.len() as u64 > LIMIT {
        return Err(invalid("it holds more than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| invalid("it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_text_of_bounded_size() {
        assert_eq!(read_text(&b"a\nb\n"[..]).unwrap(), "a\nb\n");
        assert_eq!(read_text(io::repeat(b'x').take(LIMIT)).unwrap().len(), 1 << 20);
        assert!(read_text(io::repeat(b'x')).unwrap_err().to_string().contains("1 MiB"));
        assert!(read_text(&b"\xff"[..]).unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn standard_input_can_be_one_value_only() {
        let stdin = |key: &str| FileValue { key: key.to_owned(), from: ValueSource::Stdin };
        let error = read_values(Vec::new(), vec![stdin("a"), stdin("b")]).unwrap_err();
        assert!(matches!(error, Failure::Usage { .. }), "{error}");
    }
}
