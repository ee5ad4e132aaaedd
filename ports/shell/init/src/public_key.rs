//! Owns reading one line of `authorized_keys`: options, a key of a type that sshd takes, a comment.
//! Never shows a line: what was pasted in the wrong place may be a private key.

/// The key types that the image's sshd takes, and how many fields follow the type in the key's blob.
const TYPES: [(&str, usize); 7] = [
    ("ssh-ed25519", 1),
    ("ssh-rsa", 2),
    ("ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521", 2),
    ("sk-ssh-ed25519@openssh.com", 2),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
];
/// The options of `authorized_keys` without a value.
const FLAGS: [&str; 14] = [
    "agent-forwarding",
    "cert-authority",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-x11-forwarding",
    "port-forwarding",
    "pty",
    "restrict",
    "user-rc",
    "verify-required",
    "x11-forwarding",
];
/// The options of `authorized_keys` that take a value in quotes.
const VALUES: [&str; 8] =
    ["command", "environment", "expiry-time", "from", "permitlisten", "permitopen", "principals", "tunnel"];
/// sshd refuses RSA keys of fewer bits than 1024.
const LEAST_RSA_BYTES: usize = 128;

/// Why a line is not a public key, in words that show nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// It is part of a private key.
    #[error("this is a private key: it must never leave the machine that it was made on")]
    Private,
    /// No key type stands where one has to.
    #[error("there is no key type that sshd takes")]
    NoType,
    /// DSA keys are refused by sshd.
    #[error("keys of type `ssh-dss` are refused by sshd")]
    Dsa,
    /// An option is not one of sshd's, has no value or has one that is not quoted.
    #[error("it begins with something that is neither a key type nor options of authorized_keys")]
    Option,
    /// Nothing follows the type.
    #[error("the key itself is missing after its type")]
    NoBlob,
    /// The key is cut, changed or of another type than it says.
    #[error("the key is damaged: cut short, changed, or not of the type that stands before it")]
    Damaged,
    /// The RSA key is too short.
    #[error("the RSA key is shorter than 1024 bits")]
    Short,
}

/// Checks a line. Blank lines and comments are no keys.
pub(crate) fn check(line: &str) -> Result<(), KeyError> {
    let line = line.trim();
    if line.contains("PRIVATE KEY") || line.starts_with("b3BlbnNzaC1rZXktdjE") {
        return Err(KeyError::Private);
    }
    let (first, rest) = split(line);
    let (kind, blob) = if is_type(first) {
        (first, rest)
    } else {
        let after = skip_options(line)?;
        split(after.trim_start())
    };
    if kind == "ssh-dss" {
        return Err(KeyError::Dsa);
    }
    let (_, fields) = TYPES.iter().find(|(name, _)| *name == kind).ok_or(KeyError::NoType)?;
    let (blob, _) = split(blob.trim_start());
    if blob.is_empty() {
        return Err(KeyError::NoBlob);
    }
    check_blob(kind, *fields, &decode(blob).ok_or(KeyError::Damaged)?)
}

fn is_type(word: &str) -> bool {
    word == "ssh-dss" || TYPES.iter().any(|(name, _)| *name == word)
}

fn split(text: &str) -> (&str, &str) {
    text.split_once([' ', '\t']).unwrap_or((text, ""))
}

/// What follows the options: they end at the first blank outside of quotes.
fn skip_options(line: &str) -> Result<&str, KeyError> {
    let mut rest = line;
    loop {
        let end = rest.find(['=', ',', ' ', '\t']).ok_or(KeyError::Option)?;
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        if let Some(value) = rest.strip_prefix("=\"").filter(|_| VALUES.contains(&name.as_str())) {
            rest = &value[closing_quote(value).ok_or(KeyError::Option)? + 1..];
        } else if !FLAGS.contains(&name.as_str()) {
            return Err(KeyError::Option);
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.starts_with([' ', '\t']) => return Ok(rest),
            None => return Err(KeyError::Option),
        }
    }
}

/// Where the value ends: at a quote that no backslash stands before.
fn closing_quote(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    (0..bytes.len()).find(|n| bytes[*n] == b'"' && (*n == 0 || bytes[*n - 1] != b'\\'))
}

fn check_blob(kind: &str, fields: usize, blob: &[u8]) -> Result<(), KeyError> {
    let (named, mut rest) = field(blob).ok_or(KeyError::Damaged)?;
    if named != kind.as_bytes() {
        return Err(KeyError::Damaged);
    }
    for n in 0..fields {
        let (value, after) = field(rest).ok_or(KeyError::Damaged)?;
        rest = after;
        match (kind, n) {
            ("ssh-ed25519" | "sk-ssh-ed25519@openssh.com", 0) if value.len() != 32 => return Err(KeyError::Damaged),
            ("ssh-rsa", 1) if value.len() < LEAST_RSA_BYTES => return Err(KeyError::Short),
            _ if value.is_empty() => return Err(KeyError::Damaged),
            _ => {}
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(KeyError::Damaged) }
}

/// A field: four bytes of length, most significant first, and so many bytes.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Base64 by RFC 4648 with padding; nothing else is taken.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@laptop";

    #[test]
    fn what_sshd_takes_is_taken_and_everything_else_is_refused_with_its_reason() {
        use KeyError::{Damaged, Dsa, NoBlob, NoType, Option, Private};
        let blob = ED25519.split(' ').nth(1).unwrap();
        let rows: Vec<(String, Result<(), KeyError>)> = vec![
            (ED25519.into(), Ok(())),
            (format!("  {ED25519}  "), Ok(())),
            (format!("ssh-ed25519\t{blob}"), Ok(())),
            (format!("restrict,pty {ED25519}"), Ok(())),
            (format!("command=\"/bin/echo \\\"a b\\\", c\",no-pty,FROM=\"10.0.0.1\" {ED25519}"), Ok(())),
            (String::new(), Err(Option)),
            ("# a comment".into(), Err(Option)),
            ("ssh-ed25519".into(), Err(NoBlob)),
            (format!("ssh-rsa {blob}"), Err(Damaged)),
            (format!("ssh-ed25519 {}", &blob[..blob.len() - 4]), Err(Damaged)),
            (format!("ssh-ed25519 {}", blob.replace('I', "J")), Err(Damaged)),
            (format!("ssh-ed25519 {}!", &blob[1..]), Err(Damaged)),
            ("ssh-dss AAAA".into(), Err(Dsa)),
            ("ssh-ed448 AAAA".into(), Err(Option)),
            (format!("restrict ssh-ed448 {blob}"), Err(NoType)),
            (format!("run=\"x\" {ED25519}"), Err(Option)),
            (format!("command=x {ED25519}"), Err(Option)),
            (format!("command=\"x {ED25519}"), Err(Option)),
            (format!("restrict,, {ED25519}"), Err(Option)),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".into(), Err(Private)),
            ("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ".into(), Err(Private)),
        ];
        for (line, wanted) in rows {
            assert_eq!(check(&line), wanted, "{line}");
        }
    }

    #[test]
    fn keys_that_ssh_keygen_makes_are_taken_whatever_their_type() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, bits, wanted) in [
            ("ed25519", "256", Ok(())),
            ("rsa", "2048", Ok(())),
            ("ecdsa", "256", Ok(())),
            ("ecdsa", "384", Ok(())),
            ("ecdsa", "521", Ok(())),
        ] {
            let path = dir.path().join(format!("{kind}{bits}"));
            let made = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(made.success());
            let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
            assert_eq!(check(&line), wanted, "{kind} {bits}");
            for private in std::fs::read_to_string(&path).unwrap().lines() {
                assert!(check(private).is_err(), "no line of a private key is taken");
            }
            let cut = &line[..line.len() / 2];
            assert!(check(cut).is_err(), "half a key is no key");
        }
    }

    #[test]
    fn a_short_rsa_key_is_refused() {
        let mut blob = Vec::new();
        for part in [&b"ssh-rsa"[..], &[1, 0, 1], &[0x7f; 96]] {
            blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            blob.extend(part);
        }
        assert_eq!(check_blob("ssh-rsa", 2, &blob), Err(KeyError::Short));
    }
}
