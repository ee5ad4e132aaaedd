//! Owns proving that one can log in: a key made at each start, and a login over SSH with it from inside.
//! Never leaves the container: the key is taken from the loopback address only, and runs one fixed command.

use std::path::{Path, PathBuf};
use std::time::Duration;

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_sdk::init::{Failure, Tool};

use super::place::{self, PROBE_DIR};

const ANSWER: &str = "homeport-probe-ok";
/// A login takes 0.2 s; a health check has 5 s.
const LOGIN_LIMIT: Duration = Duration::from_secs(4);

fn key_path() -> PathBuf {
    Path::new(PROBE_DIR).join("id")
}

fn known_hosts_path() -> PathBuf {
    Path::new(PROBE_DIR).join("known_hosts")
}

fn failed(message: impl Into<String>, actual: String) -> Failure {
    Failure::new(ExitStatus::ServiceFailed, Fault::new("X-shell-030", "endpoints.ssh", message).actual(actual))
}

/// The key of this start, as a line of `authorized_keys`; it is made if it is not there.
pub(crate) fn key_line() -> Result<String, Failure> {
    let public = key_path().with_extension("pub");
    if !public.exists() {
        place::directory(Path::new(PROBE_DIR), 0o700)?;
        let path = key_path().to_string_lossy().into_owned();
        let made =
            Tool::new("/usr/bin/ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "probe", "-f", &path]).run();
        match made {
            Ok(output) if output.code == 0 => {}
            Ok(output) => return Err(failed("the probe's key cannot be made", output.words())),
            Err(error) => return Err(failed("the probe's key cannot be made", error.to_string())),
        }
    }
    let line = std::fs::read_to_string(&public)
        .map_err(|error| failed("the probe's key cannot be read", error.to_string()))?;
    Ok(restricted(line.trim()))
}

/// A key that opens nothing but the answer, and only from inside.
fn restricted(public: &str) -> String {
    format!("restrict,from=\"127.0.0.1,::1\",command=\"/bin/echo {ANSWER}\" {public}")
}

/// Writes down by which keys the probe knows the server.
pub(crate) fn trust(host_keys: &[String]) -> Result<(), Failure> {
    let mut lines = String::new();
    for key in host_keys {
        lines.push_str("127.0.0.1 ");
        lines.push_str(key);
        lines.push('\n');
    }
    place::file(&known_hosts_path(), 0o600, &lines)
}

/// Whether sshd listens: read from the kernel's table, since a connection without a login is a line in sshd's log.
pub(crate) fn listens() -> Result<(), Failure> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    if table.lines().any(is_listener) { Ok(()) } else { Err(failed("sshd does not listen on port 22", String::new())) }
}

/// A line such as `0: 00000000:0016 00000000:0000 0A ...`: the local address, the peer's, and the state.
fn is_listener(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    fields.next().is_some_and(|local| local.ends_with(":0016")) && fields.nth(1) == Some("0A")
}

/// Logs in as the user, with strict checking of the server's key.
pub(crate) fn log_in(user: &str) -> Result<(), Failure> {
    let (key, hosts) = (key_path(), known_hosts_path());
    let options = [
        "IdentitiesOnly=yes".to_owned(),
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile={}", hosts.display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "PreferredAuthentications=publickey".to_owned(),
        // The client's first choice takes 170 ms more, for a secrecy that a connection to oneself has no use for.
        "KexAlgorithms=curve25519-sha256".to_owned(),
        "ConnectTimeout=3".to_owned(),
        "LogLevel=ERROR".to_owned(),
    ];
    let mut tool = Tool::new("/usr/bin/ssh").args(["-F", "/dev/null", "-T", "-i", &key.to_string_lossy()]);
    for option in options {
        tool = tool.args(["-o".to_owned(), option]);
    }
    let tool = tool.args(["-l", user, "-p", "22", "127.0.0.1"]).within(LOGIN_LIMIT);
    match tool.run() {
        Ok(output) if has_answer(&output.stdout) => Ok(()),
        Ok(output) => {
            Err(failed(format!("`{user}` cannot log in"), format!("ssh exit {}: {}", output.code, output.words())))
        }
        Err(error) => Err(failed(format!("`{user}` cannot log in"), error.to_string())),
    }
}

/// The user's own start files may say something as well.
fn has_answer(output: &[u8]) -> bool {
    String::from_utf8_lossy(output).lines().any(|line| line.trim_end() == ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probes_line_is_one_that_sshd_takes_and_opens_nothing() {
        let key = super::super::settings::tests::KEY;
        let line = restricted(key);
        assert_eq!(super::super::public_key::check(&line), Ok(()));
        assert!(
            line.starts_with("restrict,from=\"127.0.0.1,::1\",command=\"/bin/echo homeport-probe-ok\" ssh-ed25519 ")
        );
    }

    #[test]
    fn a_listener_is_told_from_a_connection() {
        for (line, wanted) in [
            ("   0: 00000000:0016 00000000:0000 0A 00000000:00000000", true),
            ("   1: 0100007F:0016 0100007F:C35E 01 00000000:00000000", false),
            ("   2: 0100007F:C35E 0100007F:0016 0A 00000000:00000000", false),
            ("  sl  local_address rem_address   st", false),
            ("", false),
        ] {
            assert_eq!(is_listener(line), wanted, "{line}");
        }
    }

    #[test]
    fn the_answer_is_a_line_of_its_own() {
        for (output, wanted) in [
            ("homeport-probe-ok\n", true),
            ("welcome\nhomeport-probe-ok\r\nbye", true),
            ("not homeport-probe-ok", false),
            ("", false),
        ] {
            assert_eq!(has_answer(output.as_bytes()), wanted, "{output:?}");
        }
    }
}
