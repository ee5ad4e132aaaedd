//! Owns the note that a container may stand still, and how it is let go on: its text, and its file in the run directory.
//! Never freezes or thaws anything.
//!
//! ```text
//! 5f0c..e1     the container, by its id
//! go           the command that thaws it; nothing where it has none
//! ```
//!
//! An older HomePort wrote the command alone, of whichever container the instance had.

use std::path::Path;
use std::{fmt, fs, io};

use homeport_core::name::CommandName;

use crate::engine::ContainerId;

/// Which container may stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// The container; `None` in a note of an older HomePort, which means the one that the ledger has.
    container: Option<ContainerId>,
    /// The command that lets it go on; `None` where freezing ends by itself.
    pub(super) thaw: Option<CommandName>,
}

impl Note {
    /// This container may stand still until it is thawed by this command.
    pub(super) const fn new(container: ContainerId, thaw: Option<CommandName>) -> Self {
        Self { container: Some(container), thaw }
    }

    /// Which container is meant, where the ledger has this one of the instance.
    pub(super) fn container<'a>(&'a self, recorded: Option<&'a ContainerId>) -> Option<&'a ContainerId> {
        self.container.as_ref().or(recorded)
    }

    /// What is written. A command that cannot be understood is none: there is nothing that could be run.
    fn parse(text: &str) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        match first.parse() {
            Ok(container) => Self::new(container, rest.trim_end().parse().ok()),
            Err(_) => Self { container: None, thaw: first.parse().ok() },
        }
    }

    /// The note in this file; `None` where there is none that can be read.
    pub(super) fn read(file: &Path) -> Option<Self> {
        fs::read_to_string(file).ok().map(|text| Self::parse(&text))
    }

    /// Writes the note to this file.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        fs::write(file, self.to_string())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(container) = &self.container {
            writeln!(f, "{}", container.as_str())?;
        }
        self.thaw.as_ref().map_or(Ok(()), |thaw| writeln!(f, "{thaw}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: &str) -> ContainerId {
        digit.repeat(64).parse().unwrap()
    }

    #[test]
    fn a_note_says_which_container_and_an_older_one_means_that_of_the_ledger() {
        let go: Option<CommandName> = Some("go".parse().unwrap());
        for (note, text) in [
            (Note::new(id("a"), go.clone()), format!("{}\ngo\n", "a".repeat(64))),
            (Note::new(id("a"), None), format!("{}\n", "a".repeat(64))),
            (Note { container: None, thaw: go }, "go\n".to_owned()),
            (Note { container: None, thaw: None }, String::new()),
        ] {
            assert_eq!(note.to_string(), text);
            assert_eq!(Note::parse(&text), note);
            assert_eq!(Note::parse(text.trim_end()), note, "as an older HomePort wrote it");
            let meant = if text.starts_with('a') { id("a") } else { id("b") };
            assert_eq!(note.container(Some(&id("b"))), Some(&meant), "{text}");
        }
        assert_eq!(Note::parse("No Command"), Note { container: None, thaw: None });
    }
}
