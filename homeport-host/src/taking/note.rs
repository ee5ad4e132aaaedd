//! Owns the note that a container may stand still, and how it is let go on: its text, and its file in the run directory.
//! Never freezes or thaws anything.
//!
//! Each container has a file of its own: of an instance with two of them both may stand still. It is replaced as a whole, so
//! that a disk without room leaves the one that there was.
//!
//! ```text
//! 5f0c..e1     the container, by its id
//! go           the command that thaws it; nothing where it has none
//! ```
//!
//! An older HomePort had one file for each instance, which an even older one wrote the command alone into, of whichever
//! container the instance had.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use homeport_core::name::{CommandName, InstanceName};

use crate::engine::ContainerId;
use crate::layout::Layout;

/// What the name of a note ends with that is being written.
const FRESH: &str = "new";

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

    /// The notes about containers of this instance, each with its file; those that cannot be read are left out.
    pub(super) fn of(layout: &Layout, instance: &InstanceName) -> Vec<(PathBuf, Self)> {
        let older = layout.older_frozen_note(instance);
        let is_named = |file: &PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('.'));
            name.is_some_and(|(of, id)| of == instance.as_str() && id.parse::<ContainerId>().is_ok())
        };
        let there = fs::read_dir(layout.frozen_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = there.filter(|file| *file == older || is_named(file));
        files.filter_map(|file| fs::read_to_string(&file).ok().map(|text| (file, Self::parse(&text)))).collect()
    }

    /// Removes what a process that died was writing. Nobody may be writing meanwhile.
    pub(super) fn remove_unfinished(layout: &Layout) {
        let there = fs::read_dir(layout.frozen_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in there.filter(|file| file.extension() == Some(OsStr::new(FRESH))) {
            fs::remove_file(file).ok();
        }
    }

    /// Writes the note to this file, in the place of one that is there.
    ///
    /// # Errors
    /// Why it is not written; the one that was there is as it was.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let fresh = file.with_added_extension(FRESH);
        let written = fs::write(&fresh, self.to_string()).and_then(|()| fs::rename(&fresh, file));
        if written.is_err() {
            fs::remove_file(&fresh).ok();
        }
        written
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

    #[test]
    fn each_container_has_a_note_of_its_own_and_one_that_cannot_be_written_destroys_none() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::under(root.path()).unwrap();
        fs::create_dir_all(layout.frozen_dir()).unwrap();
        let names: [InstanceName; 2] = ["alice", "alice-two"].map(|name| name.parse().unwrap());
        for (name, digit) in [(&names[0], "a"), (&names[0], "b"), (&names[1], "c")] {
            Note::new(id(digit), None).write(&layout.frozen_note(name, &id(digit))).unwrap();
        }
        fs::write(layout.older_frozen_note(&names[0]), "go").unwrap();
        let meant = |instance| {
            let notes = Note::of(&layout, instance).into_iter();
            let mut found: Vec<_> = notes.map(|(_, note)| note.container(Some(&id("d"))).cloned().unwrap()).collect();
            found.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            found
        };
        assert_eq!(meant(&names[0]), [id("a"), id("b"), id("d")]);
        assert_eq!(meant(&names[1]), [id("c")]);

        let unfinished = layout.frozen_dir().join("alice.1f.new");
        fs::write(&unfinished, "1f").unwrap();
        Note::remove_unfinished(&layout);
        assert!(!unfinished.exists());
        assert_eq!(meant(&names[0]), [id("a"), id("b"), id("d")]);

        // Nothing can be written beside it.
        let file = layout.frozen_note(&names[1], &id("c"));
        let before = fs::read_to_string(&file).unwrap();
        fs::create_dir(file.with_file_name(format!("alice-two.{}.new", id("c").as_str()))).unwrap();
        let go: CommandName = "go".parse().unwrap();
        assert!(Note::new(id("c"), Some(go)).write(&file).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!(meant(&names[1]), [id("c")]);
    }
}
