//! Owns which keys the server is known by: those in their volume, or new ones where the volume is new.
//! Never deletes or replaces one: a client that knows a key must find it again. A key that is missing from a volume that
//! is not new is an error and never made again, since a new key would look like an attack to every client.
//!
//! Format 1 has one key, of ed25519. Format 2 has one of RSA beside it. Whatever the format, every key that is there is
//! used: so a volume of format 1 that once had format 2 goes on showing its RSA key.

use std::path::{Path, PathBuf};

use homeport_core::unit::Format;
use homeport_sdk::init::{Failure, Mounted, VolumeState};

use super::host_key::{self, HostKey, Kind, refused};
use super::place;

/// Holds the keys of a new volume until each has its name. While it is there, no client can have seen a key.
const FILLING: &str = "new";

/// What is in the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stock {
    /// Everything that its format has.
    Whole(Vec<PathBuf>),
    /// The volume is new, or was when somebody began to fill it, and lacks these.
    ToBeFilled(Vec<Kind>),
    /// No key is there.
    Lost,
    /// Keys are there, but not the one that tells format 2 from format 1.
    NoRsa,
}

/// The keys that a new volume gets.
fn of_format(format: Format) -> &'static [Kind] {
    if format.get() == 1 { &[Kind::Ed25519] } else { &[Kind::Ed25519, Kind::Rsa] }
}

/// Every key in the volume; a new volume gets those of its format.
pub(crate) fn load_or_make(volume: Mounted<'_>) -> Result<Vec<HostKey>, Failure> {
    let path = Path::new(volume.path);
    if let Stock::ToBeFilled(kinds) = take_stock(&list(path)?, volume) {
        fill(path, &kinds)?;
    }
    let keys = host_key::read_all(&check(volume)?)?;
    for key in &keys {
        for kind in of_format(volume.format).iter().filter(|kind| is_named(Path::new(&key.path), kind.file_name())) {
            key.is_a(*kind)?;
        }
    }
    Ok(keys)
}

/// Reports what `load_or_make` would refuse by the names in the volume, and changes nothing. Gives the files of the keys.
pub(crate) fn check(volume: Mounted<'_>) -> Result<Vec<PathBuf>, Failure> {
    let path = Path::new(volume.path);
    match take_stock(&list(path)?, volume) {
        Stock::Whole(keys) => Ok(keys),
        Stock::ToBeFilled(_) => Ok(Vec::new()),
        Stock::Lost => Err(lost(path)),
        Stock::NoRsa => Err(no_rsa(path)),
    }
}

/// The files of the keys in a volume that is not new; none is an error.
pub(crate) fn existing(volume: &Path) -> Result<Vec<PathBuf>, Failure> {
    let keys = key_files(&list(volume)?);
    if keys.is_empty() { Err(lost(volume)) } else { Ok(keys) }
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}

fn key_files(names: &[PathBuf]) -> Vec<PathBuf> {
    let is_key = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|n| n.starts_with("ssh_host_") && n.ends_with("_key"))
    };
    let mut keys: Vec<PathBuf> = names.iter().filter(|path| is_key(path)).cloned().collect();
    keys.sort_unstable();
    keys
}

fn take_stock(names: &[PathBuf], volume: Mounted<'_>) -> Stock {
    let keys = key_files(names);
    let has = |kind: Kind| keys.iter().any(|key| is_named(key, kind.file_name()));
    let missing: Vec<Kind> = of_format(volume.format).iter().copied().filter(|kind| !has(*kind)).collect();
    let half_filled = names.iter().any(|name| is_named(name, FILLING));
    if half_filled || (volume.state == VolumeState::New && !missing.is_empty()) {
        Stock::ToBeFilled(missing)
    } else if keys.is_empty() {
        Stock::Lost
    } else if missing.contains(&Kind::Rsa) {
        Stock::NoRsa
    } else {
        Stock::Whole(keys)
    }
}

fn lost(volume: &Path) -> Failure {
    let actual = format!("no file `ssh_host_*_key` in `{}`", volume.display());
    let message = "the host keys are gone from their volume".to_owned();
    host_key::foreign("X-shell-010", message, actual, "the keys that clients know this server by")
}

fn no_rsa(volume: &Path) -> Failure {
    let actual = format!("no file `{}` in `{}`: as format 1 has it", Kind::Rsa.file_name(), volume.display());
    let message = "the RSA host key is not in its volume".to_owned();
    host_key::foreign("X-shell-015", message, actual, "the data of format 2, with an RSA key")
}

fn list(volume: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(volume)? {
            paths.push(entry?.path());
        }
        Ok(paths)
    };
    read().map_err(|error| refused(volume, "cannot be listed", &error))
}

/// Makes the keys of a new volume. It can be cut off anywhere: what has its name is whole, and the next start, which
/// finds the mark, makes the rest.
fn fill(volume: &Path, kinds: &[Kind]) -> Result<(), Failure> {
    let filling = volume.join(FILLING);
    // Before there were two keys, the mark was the one that was being made, a file. This leaves a directory alone.
    drop(std::fs::remove_file(&filling));
    place::directory(&filling, 0o700)?;
    host_key::sync_names(volume)?;
    for kind in kinds {
        host_key::make(*kind, &filling.join(kind.file_name()))?;
    }
    for kind in kinds {
        host_key::give_name(&filling.join(kind.file_name()), &volume.join(kind.file_name()))?;
    }
    host_key::sync_names(volume)?;
    std::fs::remove_dir(&filling).map_err(|error| refused(&filling, "cannot be removed", &error))?;
    host_key::sync_names(volume)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use homeport_core::entrypoint::ExitStatus;

    use super::*;

    fn mounted(dir: &Path, state: VolumeState, format: u32) -> Mounted<'_> {
        Mounted { path: dir.to_str().unwrap(), state, format: Format::new(format) }
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn words(keys: &[HostKey]) -> Vec<&str> {
        keys.iter().map(|key| key.public.split(' ').next().unwrap()).collect()
    }

    #[test]
    fn a_new_volume_gets_the_keys_of_its_format_once_and_they_are_found_ever_after() {
        for (format, wanted) in [(1, &["ssh-ed25519"][..]), (2, &["ssh-ed25519", "ssh-rsa"][..])] {
            let dir = tempfile::tempdir().unwrap();
            let made = load_or_make(mounted(dir.path(), VolumeState::New, format)).unwrap();
            assert_eq!(words(&made), wanted);
            assert_eq!(names(dir.path()).len(), 2 * wanted.len(), "each with its public file, and no mark");
            for state in [VolumeState::New, VolumeState::Existing] {
                assert_eq!(load_or_make(mounted(dir.path(), state, format)).unwrap(), made);
            }
        }
    }

    #[test]
    fn an_empty_volume_that_is_not_new_is_an_error_and_stays_empty() {
        for format in [1, 2] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("ssh_host_ed25519_key.pub"), "x").unwrap();
            let volume = mounted(dir.path(), VolumeState::Existing, format);
            let failure = load_or_make(volume).unwrap_err();
            assert_eq!(failure.status(), ExitStatus::DataForeign);
            assert_eq!(check(volume).unwrap_err(), failure);
            assert_eq!(names(dir.path()).len(), 1);
        }
    }

    #[test]
    fn data_of_format_1_is_not_taken_for_format_2_and_is_not_made_so() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(mounted(dir.path(), VolumeState::New, 1)).unwrap();
        let before = names(dir.path());
        let volume = mounted(dir.path(), VolumeState::Existing, 2);
        let failure = check(volume).unwrap_err();
        assert_eq!((failure.status(), failure.problems()[0].fault.code), (ExitStatus::DataForeign, "X-shell-015"));
        assert_eq!(load_or_make(volume).unwrap_err(), failure);
        assert_eq!(names(dir.path()), before);
    }

    #[test]
    fn format_1_shows_every_key_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let made = load_or_make(mounted(dir.path(), VolumeState::New, 2)).unwrap();
        assert_eq!(load_or_make(mounted(dir.path(), VolumeState::Existing, 1)).unwrap(), made);
        assert_eq!(existing(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn filling_that_was_cut_off_is_finished_though_the_volume_counts_as_new_no_more() {
        // The mark with nothing, with half a key, with a key that already has its name, and as it was in format 1.
        let cuts: [fn(&Path); 4] = [
            |dir| std::fs::create_dir(dir.join(FILLING)).unwrap(),
            |dir| {
                std::fs::create_dir(dir.join(FILLING)).unwrap();
                std::fs::write(dir.join(FILLING).join("ssh_host_rsa_key"), "half").unwrap();
            },
            |dir| {
                host_key::make(Kind::Ed25519, &dir.join(Kind::Ed25519.file_name())).unwrap();
                std::fs::create_dir(dir.join(FILLING)).unwrap();
                host_key::make(Kind::Rsa, &dir.join(FILLING).join(Kind::Rsa.file_name())).unwrap();
            },
            |dir| std::fs::write(dir.join(FILLING), "half").unwrap(),
        ];
        for cut in cuts {
            let dir = tempfile::tempdir().unwrap();
            cut(dir.path());
            let named = key_files(&list(dir.path()).unwrap());
            let before: Vec<HostKey> = named.iter().map(|path| host_key::read(path).unwrap()).collect();
            let volume = mounted(dir.path(), VolumeState::Existing, 2);
            assert_eq!(check(volume), Ok(Vec::new()));
            let keys = load_or_make(volume).unwrap();
            assert_eq!(words(&keys), ["ssh-ed25519", "ssh-rsa"]);
            assert!(before.iter().all(|key| keys.contains(key)), "a key that had its name was replaced");
            assert!(!dir.path().join(FILLING).exists());
        }
    }

    #[test]
    fn a_damaged_key_or_one_of_another_kind_is_foreign_content_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ssh_host_ed25519_key");
        std::fs::write(&path, "rubbish").unwrap();
        let failure = load_or_make(mounted(dir.path(), VolumeState::New, 1)).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::DataForeign);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "rubbish");
        std::fs::remove_file(&path).unwrap();
        host_key::make(Kind::Ed25519, &dir.path().join("ssh_host_rsa_key")).unwrap();
        let failure = load_or_make(mounted(dir.path(), VolumeState::Existing, 2)).unwrap_err();
        assert_eq!(failure.problems()[0].fault.code, "X-shell-014");
    }
}
