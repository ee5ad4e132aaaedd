//! Owns making the way back in the kernel, by `nft` and `ip`, and taking it away. Everything can be repeated.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::WayBackError;
use super::mark::Mark;

const NFT: (&str, &str) = ("nft", "nftables");
const IP: (&str, &str) = ("ip", "iproute2");

/// The way back of one HomePort.
#[derive(Debug, Clone)]
pub struct WayBack {
    mark: Mark,
    note: PathBuf,
}

/// Whether a family has rules of its own: a machine may be without IPv6.
const FAMILIES: [(&str, &str); 2] = [("-4", "0.0.0.0/0"), ("-6", "::/0")];

impl WayBack {
    /// That of the HomePort with this mark. The file `note` is there while anything of it may be.
    pub const fn new(mark: Mark, note: PathBuf) -> Self {
        Self { mark, note }
    }

    /// Makes what of it is missing. Packets that go over what is there are not disturbed.
    ///
    /// # Errors
    /// A program is missing, or the kernel refuses; what was made stays, and leads no packet astray.
    pub fn make(&self) -> Result<(), WayBackError> {
        let noted = fs::write(&self.note, b"");
        noted.map_err(|source| WayBackError::Note { path: self.note.clone(), said: source.to_string() })?;
        if call(NFT, &["list", "table", "inet", &self.mark.table()], "").is_err() {
            call(NFT, &["-f", "-"], &self.mark.script())?;
        }
        let mark = self.mark.to_string();
        for (family, all) in families() {
            // The same route again changes nothing; the same rule again would be a second one.
            call(IP, &[family, "route", "replace", "local", all, "dev", "lo", "table", &mark], "")?;
            if call(IP, &[family, "rule", "show", "fwmark", &mark], "")?.trim().is_empty() {
                call(IP, &[family, "rule", "add", "fwmark", &mark, "lookup", &mark], "")?;
            }
        }
        Ok(())
    }

    /// Takes all of it away. That nothing was there is no error.
    pub fn remove(&self) -> Result<(), WayBackError> {
        if !self.note.exists() {
            return Ok(());
        }
        let mark = self.mark.to_string();
        let mut done = match call(NFT, &["list", "table", "inet", &self.mark.table()], "") {
            Ok(_) => call(NFT, &["delete", "table", "inet", &self.mark.table()], "").map(drop),
            Err(_) => Ok(()),
        };
        for (family, _) in families() {
            while call(IP, &[family, "rule", "show", "fwmark", &mark], "").is_ok_and(|rules| !rules.trim().is_empty()) {
                if let Err(error) = call(IP, &[family, "rule", "delete", "fwmark", &mark], "") {
                    done = done.and(Err(error));
                    break;
                }
            }
            if call(IP, &[family, "route", "show", "table", &mark], "").is_ok_and(|routes| !routes.trim().is_empty()) {
                done = done.and(call(IP, &[family, "route", "flush", "table", &mark], "").map(drop));
            }
        }
        done?;
        let gone = fs::remove_file(&self.note);
        gone.map_err(|source| WayBackError::Note { path: self.note.clone(), said: source.to_string() })
    }
}

fn families() -> impl Iterator<Item = (&'static str, &'static str)> {
    let has_ipv6 = Path::new("/proc/self/net/if_inet6").exists();
    FAMILIES.into_iter().filter(move |(family, _)| *family == "-4" || has_ipv6)
}

/// What the program said, given this.
fn call((program, package): (&'static str, &'static str), args: &[&str], given: &str) -> Result<String, WayBackError> {
    let refused = |said: String| WayBackError::Refused { program, said };
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => WayBackError::NoProgram { program, package },
        _ => refused(error.to_string()),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing says why when it ends.
        stdin.write_all(given.as_bytes()).ok();
    }
    let output = child.wait_with_output().map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        return Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
