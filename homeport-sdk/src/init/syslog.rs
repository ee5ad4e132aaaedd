//! Owns `/dev/log`: takes what services send there and writes it to standard output, a line each.
//! Never makes a sender wait: where standard output does not take a line it is dropped, and the number is said.

use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The socket that the C library's `syslog` writes to.
pub(crate) const SOCKET: &str = "/dev/log";
/// Longer messages are cut. A pipe that can be written takes this many bytes without waiting.
const LONGEST: usize = 4096;
/// So many messages at once, so that signals are not kept waiting.
const BATCH: usize = 256;

/// The socket, and how many messages were lost since that was last said.
#[derive(Debug)]
pub(crate) struct SyslogSocket {
    socket: UnixDatagram,
    lost: u64,
}

impl SyslogSocket {
    /// Takes the place of the socket at this path, whatever stood there.
    pub(crate) fn bind(path: &Path) -> std::io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(path)?;
        socket.set_nonblocking(true)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self { socket, lost: 0 })
    }

    /// Forwards what has come in.
    pub(crate) fn forward(&mut self) {
        let mut buffer = [0; LONGEST];
        for _ in 0..BATCH {
            let Ok(read) = self.socket.recv(&mut buffer) else { return };
            let line = line(&String::from_utf8_lossy(&buffer[..read]));
            if !takes_a_line() {
                self.lost = self.lost.saturating_add(1);
                continue;
            }
            if self.lost > 0 {
                write(&format!(
                    "syslog.warning homeport-init: {} messages were dropped: nobody reads the log\n",
                    self.lost
                ));
                self.lost = 0;
            }
            write(&line);
        }
    }
}

impl AsFd for SyslogSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether standard output takes a whole line right now.
fn takes_a_line() -> bool {
    let stdout = std::io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

fn write(line: &str) {
    let mut bytes = line.as_bytes();
    if bytes.len() > LONGEST {
        bytes = &bytes[..LONGEST];
    }
    let _ = rustix::io::write(std::io::stdout(), bytes);
    drop(std::io::stdout().flush());
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// `<38>Nov 23 04:00:00 sshd[7]: text` becomes `auth.info sshd[7]: text`; what has no such head is `user.notice`.
/// Whoever reads the log knows the time. Control characters cannot forge a line.
fn line(message: &str) -> String {
    let (priority, rest) = priority(message).unwrap_or((13, message));
    let facility = FACILITIES.get(priority / 8).copied().unwrap_or("user");
    let severity = SEVERITIES[priority % 8];
    let text = homeport_core::text::clip(without_time(rest).trim_end_matches(['\n', '\0']), LONGEST / 2);
    format!("{facility}.{severity} {text}\n")
}

fn priority(message: &str) -> Option<(usize, &str)> {
    let (digits, rest) = message.strip_prefix('<')?.split_once('>')?;
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| plain && *number < FACILITIES.len() * 8)?;
    Some((number, rest))
}

/// Leaves `Mmm dd hh:mm:ss ` out, as RFC 3164 has it.
fn without_time(text: &str) -> &str {
    let pattern = b"Aaa 99 99:99:99 ";
    let fits = text.len() >= pattern.len()
        && pattern.iter().zip(text.bytes()).all(|(wanted, found)| match wanted {
            b'9' => found.is_ascii_digit() || found == b' ',
            b'A' => found.is_ascii_uppercase(),
            b'a' => found.is_ascii_lowercase(),
            other => *other == found,
        });
    if fits { &text[pattern.len()..] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_one_line_with_words_for_its_priority() {
        for (message, wanted) in [
            ("<38>Nov 23 04:00:00 sshd[7]: hello\n", "auth.info sshd[7]: hello\n"),
            ("<86>Nov  3 04:00:00 sshd[7]: hello\0", "authpriv.info sshd[7]: hello\n"),
            ("<13>no time here", "user.notice no time here\n"),
            ("no head", "user.notice no head\n"),
            ("<999>x", "user.notice <999>x\n"),
            ("<+3>x", "user.notice <+3>x\n"),
            ("<>x", "user.notice <>x\n"),
            ("<22>a\nmail.info forged", "mail.info a\\nmail.info forged\n"),
            ("<38>Növ 23 04:00:00 x", "auth.info Növ 23 04:00:00 x\n"),
        ] {
            assert_eq!(line(message), wanted);
        }
        assert!(line(&"ä".repeat(9000)).len() <= LONGEST + 50);
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(SyslogSocket::bind(&path).unwrap());
        let socket = SyslogSocket::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"<13>x", &path).unwrap();
        let mut buffer = [0; 10];
        assert_eq!(socket.socket.recv(&mut buffer).unwrap(), 5);
    }
}
