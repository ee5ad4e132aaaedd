//! Owns the directory that a container sees as `/run/port`: what the host puts there before a start, and how it reads what
//! init left. What init wrote is not trusted: it is read with a limit and links are never followed.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use homeport_core::config::Effective;
use homeport_core::entrypoint::{Diagnostic, ExpectedVolumes, Status, Termination};
use rustix::fs::OFlags;

/// The most bytes of a status file that are read.
const STATUS_LIMIT: u64 = 256 << 10;
/// The most bytes at the end of the diagnostics that are read.
const DIAGNOSTICS_LIMIT: u64 = 256 << 10;

/// One instance's directory.
#[derive(Debug, Clone)]
pub struct RunDir(PathBuf);

/// Writing or reading the directory failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", path.display())]
pub struct RunDirError {
    /// What was being done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl homeport_core::fault::Advice for RunDirError {
    fn code(&self) -> &'static str {
        "HP-OPN-011"
    }

    fn help(&self) -> Option<String> {
        Some("HomePort's run directory has to be writable for root and must not be full".to_owned())
    }
}

impl RunDir {
    /// The directory at this path, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Its path on the host.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the host listens for `READY=1`.
    pub fn notify_socket(&self) -> PathBuf {
        self.0.join("notify")
    }

    /// Makes it anew with what a start needs: configuration, secrets, and what is expected of each volume.
    ///
    /// What an earlier container left is gone afterwards. [spec: ENT-8, ENT-9, ENT-10, VOL-20]
    pub fn prepare(&self, config: &Effective, volumes: &ExpectedVolumes) -> Result<(), RunDirError> {
        self.remove()?;
        let parent = self.0.parent().unwrap_or(&self.0);
        let make = |path: &Path, mode: u32| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
                .map_err(|source| failed("create", path, source))
        };
        make(parent, 0o700)?;
        make(&self.0, 0o755)?;
        // The mode of a directory that was made is cut by the umask.
        Self::chmod(&self.0, 0o755)?;
        let secrets = self.0.join("secrets");
        make(&secrets, 0o700)?;
        self.write("config.json", &json(&config.open), 0o644)?;
        self.write("volumes.json", &json(volumes), 0o444)?;
        for (key, value) in &config.secret {
            self.write(&format!("secrets/{key}"), value.to_text().as_bytes(), 0o400)?;
        }
        Ok(())
    }

    /// Removes it with all that is in it, and the instance's own directory around it where nothing else is in that. Nothing
    /// there is fine.
    pub fn remove(&self) -> Result<(), RunDirError> {
        let gone = |done: io::Result<()>, path: &Path| match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
            _ => Ok(()),
        };
        gone(fs::remove_dir_all(&self.0), &self.0)?;
        match self.0.parent() {
            // What is not ours is in nobody's way: the directory that a container sees is made anew in it.
            Some(parent) => match fs::remove_dir(parent) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                done => gone(done, parent),
            },
            None => Ok(()),
        }
    }

    /// What init says of itself; `None` where it has not said anything that can be understood.
    pub fn status(&self) -> Option<Status> {
        serde_json::from_slice(&self.read("status.json", STATUS_LIMIT)?).ok()
    }

    /// Why init ended, in its own words; `None` where it left none.
    pub fn termination(&self) -> Option<Termination> {
        let limit = homeport_core::entrypoint::MAX_TERMINATION_BYTES as u64;
        serde_json::from_slice(&self.read("termination.json", limit)?).ok()
    }

    /// The diagnostics that init reported, oldest first; lines that are none are left out.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let bytes = self.read_end("diag.jsonl", DIAGNOSTICS_LIMIT).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Reads a regular file that init wrote, at most `limit` bytes of it.
    fn read(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(name)?.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Reads the last `limit` bytes of a regular file that init wrote; the line that was cut is no line.
    fn read_end(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let mut file = self.open(name)?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit))).ok()?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Opens a regular file that init wrote; never follows a link, never blocks on a pipe.
    fn open(&self, name: &str) -> Option<fs::File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.0.join(name)).ok()?;
        file.metadata().ok()?.is_file().then_some(file)
    }

    fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), RunDirError> {
        let path = self.0.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|source| failed("write", &path, source))?;
        Self::chmod(&path, mode)
    }

    fn chmod(path: &Path, mode: u32) -> Result<(), RunDirError> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|source| failed("set the mode of", path, source))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> RunDirError {
    RunDirError { action, path: path.to_owned(), source }
}

/// JSON with a newline at its end. The types that come here have no failing serializer and only text keys.
fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use homeport_core::config::Value;
    use homeport_core::entrypoint::ExpectedVolume;
    use homeport_core::unit::Format;

    use super::*;

    fn dir() -> (tempfile::TempDir, RunDir) {
        let temp = tempfile::tempdir().unwrap();
        let run = RunDir::new(temp.path().join("instances/a/port"));
        (temp, run)
    }

    #[test]
    fn a_start_finds_its_configuration_and_secrets_stay_apart() {
        let (_temp, run) = dir();
        let mut config = Effective::default();
        config.open.insert("shell".parse().unwrap(), Value::Text("zsh".into()));
        config.open.insert("forward".parse().unwrap(), Value::Bool(true));
        config.secret.insert("password".parse().unwrap(), Value::Text("s3cret".into()));
        let home = ExpectedVolume {
            path: "/home/user".to_owned(),
            uuid: "0f0e0d0c-0b0a-4988-8776-655443322110".to_owned(),
            format: Format::new(3),
            device: 7,
            inode: 11,
            new: true,
        };
        run.prepare(&config, &BTreeMap::from([("home".parse().unwrap(), home)])).unwrap();
        let read = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&fs::read(run.path().join(name)).unwrap()).unwrap()
        };
        assert_eq!(read("config.json"), serde_json::json!({"shell": "zsh", "forward": true}));
        assert_eq!(
            read("volumes.json"),
            serde_json::json!({"home": {
                "path": "/home/user", "uuid": "0f0e0d0c-0b0a-4988-8776-655443322110",
                "format": 3, "device": 7, "inode": 11, "new": true,
            }})
        );
        let secret = run.path().join("secrets/password");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "s3cret");
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o400);
        fs::write(run.path().join("status.json"), "{}").unwrap();
        run.prepare(&config, &ExpectedVolumes::new()).unwrap();
        assert!(!run.path().join("status.json").exists(), "what an earlier container left is gone");
        run.remove().unwrap();
        run.remove().unwrap();
    }

    #[test]
    fn what_lies_beside_it_stays_and_is_in_no_ones_way() {
        let (temp, run) = dir();
        run.prepare(&Effective::default(), &ExpectedVolumes::new()).unwrap();
        let beside = temp.path().join("instances/a/note");
        fs::write(&beside, "x").unwrap();
        run.prepare(&Effective::default(), &ExpectedVolumes::new()).unwrap();
        run.remove().unwrap();
        assert!(!run.path().exists() && beside.exists());
    }

    #[test]
    fn what_init_left_is_read_without_trust() {
        let (temp, run) = dir();
        run.prepare(&Effective::default(), &ExpectedVolumes::new()).unwrap();
        assert_eq!(run.status(), None);
        let termination = r#"{"hp":1,"exit":78,"phase":"run","errors":[],"omitted":0}"#;
        let elsewhere = temp.path().join("elsewhere");
        fs::write(&elsewhere, termination).unwrap();
        let place = run.path().join("termination.json");
        symlink(&elsewhere, &place).unwrap();
        assert_eq!(run.termination(), None, "a link is not followed");
        fs::remove_file(&place).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &place, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
        assert_eq!(run.termination(), None, "a pipe does not block");
        fs::remove_file(&place).unwrap();
        fs::write(&place, termination).unwrap();
        assert_eq!(run.termination().unwrap().exit, 78);
        fs::write(run.path().join("diag.jsonl"), "garbage\n\n{}\n").unwrap();
        assert_eq!(run.diagnostics(), []);
    }
}
