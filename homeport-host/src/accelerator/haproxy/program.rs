//! Owns the program haproxy on this machine: where it is, which version it has, and whether it takes a configuration. Never runs
//! one that stays.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The oldest version whose words are known here.
pub(super) const OLDEST: Version = Version::new(2, 6);
/// Where it is looked for beyond `PATH`: an ordinary one lacks the places of system programs.
const BEYOND_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin";
/// The most that is told of what it says.
const WORDS: usize = 600;

/// A version, as far as it says what a haproxy can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// This one.
    pub(super) const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The program.
#[derive(Debug, Clone)]
pub(super) struct Program(PathBuf);

impl Program {
    /// The first one in `PATH`, or where system programs are; `None` where there is none.
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let more = std::ffi::OsString::from(BEYOND_PATH);
        let all = std::env::split_paths(&path).chain(std::env::split_paths(&more)).collect::<Vec<_>>();
        all.into_iter().map(|dir| dir.join("haproxy")).find(|program| program.is_file()).map(Self)
    }

    /// Its version.
    ///
    /// # Errors
    /// Why that cannot be known, in words.
    pub(super) fn version(&self) -> Result<Version, String> {
        let output =
            Command::new(&self.0).arg("-v").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        version(&said).ok_or_else(|| format!("`haproxy -v` says `{}`", words(&said)))
    }

    /// That it takes the configuration of this name in that directory, with this socket as its standard input.
    ///
    /// # Errors
    /// Why not, in its own words.
    pub(super) fn check(&self, dir: &Path, name: &str, socket: OwnedFd) -> Result<(), String> {
        let mut command = self.command(dir, name, socket);
        let Output { status, stderr, .. } = command.arg("-c").output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&stderr);
        if status.success() { Ok(()) } else { Err(format!("it refuses its configuration: {}", words(&said))) }
    }

    /// The command that runs it by the configuration of this name in that directory, in a group of its own: what ends this
    /// process's group leaves it alone.
    pub(super) fn command(&self, dir: &Path, name: &str, socket: OwnedFd) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(&self.0);
        command.args(["-db", "-f", name]).current_dir(dir).env_clear().process_group(0);
        command.stdin(socket).stdout(Stdio::null());
        command
    }
}

fn version(said: &str) -> Option<Version> {
    let mut words = said.split_whitespace().skip_while(|word| *word != "version");
    let mut numbers = words.nth(1)?.split(['.', '-']);
    Some(Version::new(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What a haproxy says, less what it says of itself: for people.
pub(super) fn words(said: &str) -> String {
    let is_news = |line: &&str| !line.is_empty() && !line.starts_with("[NOTICE]");
    let text = said.lines().map(str::trim).filter(is_news).map(without_head).collect::<Vec<_>>().join("; ");
    homeport_core::text::clip(&text, WORDS)
}

/// A line without its level and process id: `[ALERT]    (678) : `.
fn without_head(line: &str) -> &str {
    let is_headed = line.starts_with('[');
    line.split_once(") : ").filter(|_| is_headed).map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_the_program_says_of_itself() {
        let read = |said: &str| version(said).map(|found| found.to_string());
        let debian = "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\nStatus: long-term\n";
        assert_eq!(read(debian).as_deref(), Some("2.6"));
        assert_eq!(read("HA-Proxy version 1.8.19-1 2019/02/11\n").as_deref(), Some("1.8"));
        assert_eq!(read("HAProxy version 3.4-dev1\n").as_deref(), Some("3.4"));
        for bad in ["", "HAProxy", "HAProxy version", "version two"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(Version::new(2, 5) < OLDEST && Version::new(3, 0) >= OLDEST);
    }

    #[test]
    fn its_words_are_told_without_what_it_says_of_itself() {
        let said = "[NOTICE]   (678) : haproxy version is 2.6.12\n[ALERT]    (678) : config : parsing [1.cfg:27] : 'bind' : \
                    cannot use (it) : no socket.\n\n[ALERT]    (678) : config : Fatal errors found in configuration.\n";
        assert_eq!(
            words(said),
            "config : parsing [1.cfg:27] : 'bind' : cannot use (it) : no socket.; config : Fatal errors found in configuration."
        );
        assert_eq!(words(""), "");
    }
}
