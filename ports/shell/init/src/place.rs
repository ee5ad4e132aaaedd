//! Owns the places of what is rendered, and putting a whole file there at once.
//! Never decides what stands in a file.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use homeport_core::fault::Fault;
use homeport_sdk::init::Failure;

/// Everything that is rendered, in memory.
pub(crate) const DIR: &str = "/run/shell";
/// The keys that may log in.
pub(crate) const AUTHORIZED_KEYS: &str = "/run/shell/authorized_keys";
/// What sshd shows before a login.
pub(crate) const BANNER: &str = "/run/shell/banner";
/// sshd's configuration.
pub(crate) const SSHD_CONFIG: &str = "/run/shell/sshd_config";
/// What only root may see: the key of the probe.
pub(crate) const PROBE_DIR: &str = "/run/shell/probe";
/// Where sshd shuts its unprivileged part in.
pub(crate) const SSHD_EMPTY: &str = "/run/sshd";

fn failed(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::from_io(
        Fault::new("X-shell-020", path.display().to_string(), format!("`{}` {what}", path.display())),
        error,
    )
}

/// Makes a directory with this mode, or gives it to one that is there.
pub(crate) fn directory(path: &Path, mode: u32) -> Result<(), Failure> {
    let outcome = match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    outcome
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|error| failed(path, "cannot be made", &error))
}

/// Writes a whole file with this mode: who opens it meanwhile sees the old one or the new one.
pub(crate) fn file(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| failed(path, "cannot be written", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_mode_from_the_first_byte_on_and_replaces_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shadow");
        file(&path, 0o644, "old").unwrap();
        file(&path, 0o600, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        directory(&dir.path().join("d"), 0o700).unwrap();
        directory(&dir.path().join("d"), 0o755).unwrap();
        assert_eq!(std::fs::metadata(dir.path().join("d")).unwrap().permissions().mode() & 0o7777, 0o755);
    }
}
