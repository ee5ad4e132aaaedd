//! Owns the steps between the formats of the volume `hostkeys`, up and down.
//! Never changes or removes a key, in neither direction: what a client has learned stays what it meets.
//!
//! Up adds the RSA key, unless one is there. Down changes nothing at all, since format 1 shows every key that it finds;
//! so going up again finds the same RSA key. Both can be killed anywhere and carried out again.

use std::ffi::OsStr;
use std::path::Path;

use homeport_sdk::init::{Failure, MigrationFailure, Step};

use super::host_key::{self, Kind};
use super::{accounts, host_keys, place};

/// What the RSA key is called until it is whole; no version takes a file of this name for a key.
const PART: &str = "ssh_host_rsa_key.part";

/// Carries out one step.
pub(crate) fn migrate(step: &Step<'_>) -> Result<(), MigrationFailure> {
    render_accounts().map_err(MigrationFailure::Unchanged)?;
    // The sdk asks for steps of the manifest only, and there is one.
    if step.from < step.to { up(Path::new(step.path)) } else { down(Path::new(step.path)) }
}

/// `ssh-keygen` works only for somebody who has an account, and the accounts are otherwise rendered at a start.
fn render_accounts() -> Result<(), Failure> {
    place::directory(Path::new(place::DIR), 0o755)?;
    place::file(&Path::new(place::DIR).join("passwd"), 0o644, accounts::ROOT)
}

fn up(volume: &Path) -> Result<(), MigrationFailure> {
    let path = volume.join(Kind::Rsa.file_name());
    let keys = readable(volume).map_err(MigrationFailure::Unchanged)?;
    if let Some(key) = keys.iter().find(|key| OsStr::new(&key.path) == path) {
        // Of a step that was cut off after it had done everything, or of a time when the volume had format 2 before.
        return key.is_a(Kind::Rsa).and_then(|()| host_key::sync_names(volume)).map_err(MigrationFailure::Unchanged);
    }
    let part = volume.join(PART);
    let made = host_key::make(Kind::Rsa, &part).and_then(|()| host_key::read(&part)?.is_a(Kind::Rsa));
    if let Err(failure) = made {
        return Err(match host_key::discard(&part) {
            Ok(()) => MigrationFailure::Unchanged(failure),
            Err(_) => MigrationFailure::MayBeChanged(failure),
        });
    }
    host_key::give_name(&part, &path)
        .and_then(|()| host_key::sync_names(volume))
        .map_err(MigrationFailure::MayBeChanged)
}

fn down(volume: &Path) -> Result<(), MigrationFailure> {
    readable(volume).map(drop).map_err(MigrationFailure::Unchanged)
}

/// The keys of a volume that has some, each of them usable: what the other format's version starts with.
fn readable(volume: &Path) -> Result<Vec<host_key::HostKey>, Failure> {
    host_key::read_all(&host_keys::existing(volume)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use homeport_core::unit::Format;
    use homeport_sdk::init::{Mounted, VolumeState};

    use super::*;

    /// A volume as a version with format 1 made it.
    fn of_format_1() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        host_keys::load_or_make(Mounted { path, state: VolumeState::New, format: Format::new(1) }).unwrap();
        dir
    }

    fn check(dir: &Path, format: u32) -> Result<Vec<std::path::PathBuf>, Failure> {
        let path = dir.to_str().unwrap();
        host_keys::check(Mounted { path, state: VolumeState::Existing, format: Format::new(format) })
    }

    fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
    }

    #[test]
    fn up_adds_the_rsa_key_and_touches_nothing_else() {
        let dir = of_format_1();
        let before = content(dir.path());
        check(dir.path(), 2).unwrap_err();
        up(dir.path()).unwrap();
        assert_eq!(check(dir.path(), 2).unwrap().len(), 2);
        let mut after = content(dir.path());
        assert!(after.remove("ssh_host_rsa_key").is_some() && after.remove("ssh_host_rsa_key.pub").is_some());
        assert_eq!(after, before);
    }

    #[test]
    fn a_repeated_step_up_and_a_way_down_and_up_again_keep_every_byte() {
        let dir = of_format_1();
        up(dir.path()).unwrap();
        let migrated = content(dir.path());
        for step in [up, down, down, up] {
            step(dir.path()).unwrap();
            assert_eq!(content(dir.path()), migrated);
        }
        assert_eq!(check(dir.path(), 1).unwrap().len(), 2, "the older version shows the RSA key as well");
    }

    #[test]
    fn a_step_up_that_was_cut_off_anywhere_is_finished_by_the_next() {
        // Nothing yet; half a key; a whole one without its name; one whose public file has its name already.
        let cuts: [fn(&Path); 4] = [
            |_| {},
            |dir| std::fs::write(dir.join(PART), "half").unwrap(),
            |dir| host_key::make(Kind::Rsa, &dir.join(PART)).unwrap(),
            |dir| {
                host_key::make(Kind::Rsa, &dir.join(PART)).unwrap();
                let public = host_key::public_file(&dir.join(PART));
                std::fs::rename(public, dir.join("ssh_host_rsa_key.pub")).unwrap();
            },
        ];
        for cut in cuts {
            let dir = of_format_1();
            let before = content(dir.path());
            cut(dir.path());
            assert!(check(dir.path(), 2).is_err(), "half a step is not taken for a whole one");
            check(dir.path(), 1).unwrap();
            up(dir.path()).unwrap();
            assert_eq!(check(dir.path(), 2).unwrap().len(), 2);
            let after = content(dir.path());
            assert_eq!(after.len(), 4, "{:?}", after.keys());
            assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)));
            let key = host_key::read(&dir.path().join("ssh_host_rsa_key")).unwrap();
            assert!(String::from_utf8_lossy(&after["ssh_host_rsa_key.pub"]).starts_with(&key.public));
        }
    }

    #[test]
    fn a_volume_without_keys_or_with_a_damaged_one_is_not_migrated() {
        type Damage = fn(&Path);
        let rows: [(Damage, &str); 3] = [
            (|dir| std::fs::remove_file(dir.join("ssh_host_ed25519_key")).unwrap(), "X-shell-010"),
            (|dir| std::fs::write(dir.join("ssh_host_ed25519_key"), "rubbish").unwrap(), "X-shell-012"),
            (|dir| drop(std::fs::copy(dir.join("ssh_host_ed25519_key"), dir.join("ssh_host_rsa_key"))), "X-shell-014"),
        ];
        for (damage, code) in rows {
            let dir = of_format_1();
            damage(dir.path());
            let before = content(dir.path());
            let Err(MigrationFailure::Unchanged(failure)) = up(dir.path()) else { panic!("{code}: not refused as 82") };
            assert_eq!(failure.problems()[0].fault.code, code);
            if code != "X-shell-014" {
                assert!(matches!(down(dir.path()), Err(MigrationFailure::Unchanged(_))), "{code}");
            }
            assert_eq!(content(dir.path()), before);
        }
    }

    #[test]
    fn a_step_that_takes_itself_back_says_unchanged_and_one_that_cannot_says_maybe() {
        let dir = of_format_1();
        let before = content(dir.path());
        // The name is taken by what no file can replace: the public file has its name when the private one fails.
        std::fs::create_dir(dir.path().join("ssh_host_rsa_key.pub")).unwrap();
        assert!(matches!(up(dir.path()), Err(MigrationFailure::MayBeChanged(_))));
        std::fs::remove_dir(dir.path().join("ssh_host_rsa_key.pub")).unwrap();
        host_key::discard(&dir.path().join(PART)).unwrap();
        assert_eq!(content(dir.path()), before);
        // Where the key would be made stands something that is not ours.
        std::fs::create_dir(dir.path().join(PART)).unwrap();
        assert!(matches!(up(dir.path()), Err(MigrationFailure::MayBeChanged(_))));
        std::fs::remove_dir(dir.path().join(PART)).unwrap();
        assert_eq!(content(dir.path()), before);
    }
}
