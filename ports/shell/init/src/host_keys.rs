//! Owns the keys by which clients know the server: found in their volume, or made once in a new one.
//! Never deletes or replaces one: a client that knows a key must find it again. An empty volume that is not new is an
//! error and never filled, since new keys would look like an attack to every client.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_sdk::init::{Failure, Tool, VolumeState};

const KEYGEN: &str = "/usr/bin/ssh-keygen";

/// A host key in its volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostKey {
    /// The private key's file.
    pub(crate) path: String,
    /// The public key, `type base64`, without its comment.
    pub(crate) public: String,
}

/// What is in the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stock {
    Keys(Vec<PathBuf>),
    ToBeMade,
    Lost,
}

/// Every key in the volume; a new volume gets its first one.
pub(crate) fn load_or_make(volume: &Path, state: VolumeState) -> Result<Vec<HostKey>, Failure> {
    let paths = match take_stock(&list(volume)?, state) {
        Stock::Keys(paths) => paths,
        Stock::ToBeMade => vec![make(volume)?],
        Stock::Lost => return Err(lost(volume)),
    };
    paths.iter().map(|path| read(path)).collect()
}

/// Reports what `load_or_make` would refuse, and changes nothing.
pub(crate) fn check(volume: &Path, state: VolumeState) -> Result<(), Failure> {
    match take_stock(&list(volume)?, state) {
        Stock::Keys(_) | Stock::ToBeMade => Ok(()),
        Stock::Lost => Err(lost(volume)),
    }
}

fn take_stock(names: &[PathBuf], state: VolumeState) -> Stock {
    let is_key = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|n| n.starts_with("ssh_host_") && n.ends_with("_key"))
    };
    let mut keys: Vec<PathBuf> = names.iter().filter(|path| is_key(path)).cloned().collect();
    keys.sort_unstable();
    match (keys.is_empty(), state) {
        (false, _) => Stock::Keys(keys),
        (true, VolumeState::New) => Stock::ToBeMade,
        (true, VolumeState::Existing) => Stock::Lost,
    }
}

fn lost(volume: &Path) -> Failure {
    let fault = Fault::new("X-shell-010", "volumes.hostkeys", "the host keys are gone from their volume")
        .actual(format!("no file `ssh_host_*_key` in `{}`", volume.display()))
        .expected("the keys that clients know this server by")
        .remedy("restore them from a snapshot; to let clients meet a new key, remove the volume and deploy again");
    Failure::new(ExitStatus::DataForeign, fault)
}

fn refused(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    let fault = Fault::new("X-shell-011", "volumes.hostkeys", format!("`{}` {what}", path.display()));
    Failure::from_io(fault.remedy("it has to belong to root"), error)
}

fn list(volume: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(volume).map_err(|error| refused(volume, "cannot be listed", &error))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(|error| refused(volume, "cannot be listed", &error)))
        .collect()
}

fn keygen(args: &[&str], about: &Path) -> Result<String, Failure> {
    let bad = |actual: String| {
        let fault = Fault::new("X-shell-012", "volumes.hostkeys", format!("`{}` is no usable key", about.display()));
        Failure::new(ExitStatus::DataForeign, fault.actual(actual).remedy("restore it from a snapshot"))
    };
    match Tool::new(KEYGEN).args(args.iter().copied()).run() {
        Ok(output) if output.code == 0 => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => Err(bad(output.words())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Makes the first key. It gets its name when it is whole and on the disk.
fn make(volume: &Path) -> Result<PathBuf, Failure> {
    let path = volume.join("ssh_host_ed25519_key");
    let beside = volume.join("new");
    for name in [beside.clone(), beside.with_extension("pub")] {
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(refused(&name, "cannot be removed", &error));
            }
            _ => {}
        }
    }
    let place = beside.to_string_lossy();
    keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "homeport", "-f", &place], &path)?;
    let name_it = || {
        std::fs::File::open(&beside)?.sync_all()?;
        std::fs::rename(beside.with_extension("pub"), path.with_extension("pub"))?;
        std::fs::rename(&beside, &path)?;
        std::fs::File::open(volume)?.sync_all()
    };
    name_it().map_err(|error| refused(&path, "cannot be written", &error))?;
    Ok(path)
}

/// The public key is read from the private one: a `.pub` file beside it may be anything.
fn read(path: &Path) -> Result<HostKey, Failure> {
    // sshd takes no key that others can read; a copy by hand easily makes it so.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| refused(path, "cannot be given mode 0600", &error))?;
    let place = path.to_string_lossy().into_owned();
    let line = keygen(&["-y", "-P", "", "-f", &place], path)?;
    let public = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(HostKey { path: place, public })
}

/// The fingerprint, as clients show it: `SHA256:` and base64.
pub(crate) fn fingerprint(key: &HostKey) -> Option<String> {
    let line = keygen(&["-l", "-E", "sha256", "-f", &key.path], Path::new(&key.path)).ok()?;
    line.split(' ').find(|word| word.starts_with("SHA256:")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_in_a_new_volume_and_found_again_ever_after() {
        let dir = tempfile::tempdir().unwrap();
        let made = load_or_make(dir.path(), VolumeState::New).unwrap();
        assert_eq!(made.len(), 1);
        assert!(made[0].public.starts_with("ssh-ed25519 AAAA") && made[0].public.split(' ').count() == 2);
        assert!(fingerprint(&made[0]).unwrap().starts_with("SHA256:"));
        let bits = std::fs::metadata(&made[0].path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(bits, 0o600);
        for state in [VolumeState::New, VolumeState::Existing] {
            assert_eq!(load_or_make(dir.path(), state).unwrap(), made);
        }
        assert!(!dir.path().join("new").exists());
    }

    #[test]
    fn an_empty_volume_that_is_not_new_is_an_error_and_stays_empty() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ssh_host_ed25519_key.pub"), "x").unwrap();
        let failure = load_or_make(dir.path(), VolumeState::Existing).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::DataForeign);
        assert_eq!(check(dir.path(), VolumeState::Existing).unwrap_err(), failure);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_torn_start_is_made_good_and_every_key_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("new"), "half").unwrap();
        load_or_make(dir.path(), VolumeState::New).unwrap();
        let rsa = dir.path().join("ssh_host_rsa_key");
        keygen(&["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", &rsa.to_string_lossy()], &rsa).unwrap();
        std::fs::set_permissions(&rsa, std::fs::Permissions::from_mode(0o777)).unwrap();
        let keys = load_or_make(dir.path(), VolumeState::Existing).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(std::fs::metadata(&rsa).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_foreign_content_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ssh_host_ed25519_key");
        std::fs::write(&path, "rubbish").unwrap();
        let failure = load_or_make(dir.path(), VolumeState::New).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::DataForeign);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "rubbish");
    }
}
