//! Owns one host key as a file: making it, giving it its name, reading it.
//! Never decides which keys a server has, and never replaces one: a client that knows a key must find it again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_sdk::init::{Failure, Tool};

const KEYGEN: &str = "/usr/bin/ssh-keygen";
/// An RSA key takes 0.3 s on an ordinary machine, and many times that on a small one that does something else as well.
const MAKING_LIMIT: Duration = Duration::from_mins(2);

/// What a key is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that every client since 2014 takes.
    Ed25519,
    /// The one for clients that know nothing newer.
    Rsa,
}

impl Kind {
    /// The private key's file in the volume.
    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh_host_ed25519_key",
            Self::Rsa => "ssh_host_rsa_key",
        }
    }

    /// What the public key begins with.
    const fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::Rsa => "ssh-rsa",
        }
    }

    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ed25519 => &["-t", "ed25519"],
            Self::Rsa => &["-t", "rsa", "-b", "3072"],
        }
    }
}

/// A host key in its volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostKey {
    /// The private key's file.
    pub(crate) path: String,
    /// The public key, `type base64`, without its comment.
    pub(crate) public: String,
}

impl HostKey {
    /// Refuses a key that is another one than its file's name says.
    pub(crate) fn is_a(&self, kind: Kind) -> Result<(), Failure> {
        let found = self.public.split(' ').next().unwrap_or_default();
        if found == kind.word() {
            return Ok(());
        }
        let message = format!("`{}` is a key of another kind", self.path);
        Err(foreign("X-shell-014", message, found.to_owned(), kind.word()))
    }
}

/// What is in the volume is not what this port put there.
pub(crate) fn foreign(code: &'static str, message: String, actual: String, expected: &str) -> Failure {
    let fault = Fault::new(code, "volumes.hostkeys", message).actual(actual).expected(expected).remedy(
        "restore the host keys from a snapshot; to let clients meet new ones, remove the volume and deploy again",
    );
    Failure::new(ExitStatus::DataForeign, fault)
}

/// The file of the public key, as `ssh-keygen` names it.
pub(crate) fn public_file(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// A failure that the file system is the cause of.
pub(crate) fn refused(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    let fault = Fault::new("X-shell-011", "volumes.hostkeys", format!("`{}` {what}", path.display()));
    Failure::from_io(fault.remedy("it has to belong to root"), error)
}

/// Makes a key at this path, whole and on the disk, in place of whatever an earlier try left there.
pub(crate) fn make(kind: Kind, path: &Path) -> Result<(), Failure> {
    discard(path)?;
    let place = path.to_string_lossy();
    let tool = Tool::new(KEYGEN).args(["-q", "-N", "", "-C", "homeport", "-f", &place]);
    let said = match tool.args(kind.options().iter().copied()).within(MAKING_LIMIT).run() {
        Ok(output) if output.code == 0 => None,
        Ok(output) => Some(output.words()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(said) = said {
        let status = if said.contains("No space left") { ExitStatus::NoSpace } else { ExitStatus::Io };
        let fault = Fault::new("X-shell-016", "volumes.hostkeys", format!("`{place}` cannot be made"));
        return Err(Failure::new(
            status,
            fault.actual(said).remedy("its volume has to be writable and have free space"),
        ));
    }
    for file in [path.to_owned(), public_file(path)] {
        std::fs::File::open(&file)
            .and_then(|open| open.sync_all())
            .map_err(|error| refused(&file, "cannot be written", &error))?;
    }
    Ok(())
}

/// Removes what a try to make a key at this path left.
pub(crate) fn discard(path: &Path) -> Result<(), Failure> {
    for file in [path.to_owned(), public_file(path)] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(refused(&file, "cannot be removed", &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a key that was made at `from` its name. The private key comes last: what has that name is whole.
pub(crate) fn give_name(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(public_file(from), public_file(to))
        .and_then(|()| std::fs::rename(from, to))
        .map_err(|error| refused(to, "cannot be written", &error))
}

/// Waits until the names in a directory are on the disk.
pub(crate) fn sync_names(directory: &Path) -> Result<(), Failure> {
    std::fs::File::open(directory)
        .and_then(|open| open.sync_all())
        .map_err(|error| refused(directory, "cannot be written", &error))
}

/// The key at this path. The public key is read from the private one: a `.pub` file beside it may be anything.
pub(crate) fn read(path: &Path) -> Result<HostKey, Failure> {
    // sshd takes no key that others can read; a copy by hand easily makes it so.
    let close = || {
        let found = std::fs::metadata(path)?.permissions().mode() & 0o7777;
        if found == 0o600 { Ok(()) } else { std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) }
    };
    close().map_err(|error| refused(path, "cannot be given mode 0600", &error))?;
    let place = path.to_string_lossy().into_owned();
    let line = ask(&["-y", "-P", "", "-f", &place], path)?;
    let public = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(HostKey { path: place, public })
}

/// The keys at these paths.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<HostKey>, Failure> {
    let mut keys = Vec::new();
    for path in paths {
        keys.push(read(path)?);
    }
    Ok(keys)
}

/// The fingerprint, as clients show it: `SHA256:` and base64.
pub(crate) fn fingerprint(key: &HostKey) -> Option<String> {
    let line = ask(&["-l", "-E", "sha256", "-f", &key.path], Path::new(&key.path)).ok()?;
    line.split(' ').find(|word| word.starts_with("SHA256:")).map(str::to_owned)
}

fn ask(args: &[&str], about: &Path) -> Result<String, Failure> {
    let said = match Tool::new(KEYGEN).args(args.iter().copied()).run() {
        Ok(output) if output.code == 0 => return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => output.words(),
        Err(error) => error.to_string(),
    };
    Err(foreign("X-shell-012", format!("`{}` is no usable key", about.display()), said, "a key without a passphrase"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_over_what_a_torn_try_left_and_is_of_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, word, other) in [(Kind::Ed25519, "ssh-ed25519", Kind::Rsa), (Kind::Rsa, "ssh-rsa", Kind::Ed25519)] {
            let (part, path) = (dir.path().join("part"), dir.path().join(kind.file_name()));
            std::fs::write(&part, "half").unwrap();
            std::fs::write(public_file(&part), "half").unwrap();
            make(kind, &part).unwrap();
            give_name(&part, &path).unwrap();
            let key = read(&path).unwrap();
            assert!(key.public.starts_with(&format!("{word} AAAA")) && key.public.split(' ').count() == 2);
            assert!(fingerprint(&key).unwrap().starts_with("SHA256:"));
            assert_eq!(key.is_a(kind), Ok(()));
            assert_eq!(key.is_a(other).unwrap_err().status(), ExitStatus::DataForeign);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
            assert!(std::fs::read_to_string(public_file(&path)).unwrap().starts_with(&key.public));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "two keys with their public files and no more");
    }

    #[test]
    fn a_key_that_others_can_read_is_closed_and_a_damaged_one_is_foreign_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ssh_host_ed25519_key");
        make(Kind::Ed25519, &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        read(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        std::fs::write(&path, "rubbish").unwrap();
        assert_eq!(read(&path).unwrap_err().status(), ExitStatus::DataForeign);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "rubbish");
    }

    #[test]
    fn a_key_that_cannot_be_made_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let failure = make(Kind::Ed25519, &dir.path().join("none/key")).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::Io);
        assert!(failure.to_string().contains("No such file"), "{failure}");
    }
}
