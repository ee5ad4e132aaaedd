//! Owns `debs.lock`: exactly which packages an image is made of.
//! Never names a host: where packages come from is the machine's own business, and the sha256 says whether they are right.

use std::fmt;
use std::str::FromStr;

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;
use sha2::Digest as _;

use super::date::Date;

/// The first line of a lock file.
const HEADER: &str = "homeport-debs 1";

/// A sha256, written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The sha256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The same as the digest that engines write, with `sha256:` before it.
    pub fn digest(self) -> homeport_core::digest::Digest {
        homeport_core::digest::Digest::new(self.0)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digest().hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A package that an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedDeb {
    /// The package's name, for example `libc6`.
    pub name: String,
    /// Its version, for example `2.36-9+deb12u14`.
    pub version: String,
    /// `all`, or a machine, for example `amd64`.
    pub architecture: String,
    /// The size of its file.
    pub size: Bytes,
    /// The sha256 of its file.
    pub sha256: Sha256,
    /// The name of its file, without a directory.
    pub filename: String,
}

/// Every package of an image, by name, and the day on which they were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The day of the choice; the date of everything in the image.
    pub date: Date,
    /// The packages, by name; each name once.
    pub debs: Vec<LockedDeb>,
}

impl Lock {
    /// A lock of these packages, put in order.
    pub fn new(date: Date, mut debs: Vec<LockedDeb>) -> Self {
        debs.sort();
        Self { date, debs }
    }

    /// Reads a lock file; every line that is wrong is a fault.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        match lines.next() {
            Some((_, HEADER)) => {}
            first => {
                let found = first.map_or("nothing", |(_, line)| line);
                return Err(vec![
                    Fault::new("HP-KIT-110", "line 1", "the lock does not begin as one")
                        .actual(format!("`{}`", homeport_core::text::clip(found, 60)))
                        .expected(format!("`{HEADER}`")),
                ]);
            }
        }
        let mut date = None;
        let mut debs: Vec<LockedDeb> = Vec::new();
        for (number, line) in lines {
            let subject = format!("line {number}");
            if let Some(day) = line.strip_prefix("date ") {
                match day.trim().parse::<Date>() {
                    Ok(_) if date.is_some() => faults.push(Fault::new("HP-KIT-111", subject, "`date` stands twice")),
                    Ok(day) => date = Some(day),
                    Err(error) => faults.push(Fault::new("HP-KIT-111", subject, error.to_string())),
                }
                continue;
            }
            match read_line(line, &subject) {
                Ok(deb) => {
                    if let Some(last) = debs.last().filter(|last| last.name >= deb.name) {
                        let message = format!("`{}` stands after `{}`", deb.name, last.name);
                        let wanted = "each package once, in the order of names";
                        faults.push(Fault::new("HP-KIT-112", subject, message).expected(wanted));
                    }
                    debs.push(deb);
                }
                Err(wrong) => faults.extend(wrong),
            }
        }
        if date.is_none() && faults.iter().all(|fault| fault.code != "HP-KIT-111") {
            faults.push(Fault::new("HP-KIT-111", "the lock", "there is no `date` line").expected("`date YYYY-MM-DD`"));
        }
        match date {
            Some(date) if faults.is_empty() => Ok(Self { date, debs }),
            _ => Err(faults),
        }
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        writeln!(
            f,
            "# Made by `cargo xtask build-port DIR --refresh-lock`: name, version, architecture, size, sha256, file."
        )?;
        writeln!(f, "date {}", self.date)?;
        for deb in &self.debs {
            let LockedDeb { name, version, architecture, size, sha256, filename } = deb;
            writeln!(f, "{name} {version} {architecture} {size} {sha256} {filename}")?;
        }
        Ok(())
    }
}

fn read_line(line: &str, subject: &str) -> Result<LockedDeb, Vec<Fault>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, version, architecture, size, sha256, filename] = fields[..] else {
        let wanted = "6: name, version, architecture, size, sha256, file";
        let fault = Fault::new("HP-KIT-113", subject, "the line has not the fields of a package");
        return Err(vec![fault.actual(fields.len().to_string()).expected(wanted)]);
    };
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut faults = Vec::new();
    let mut demand = |holds: bool, what: &str, found: &str, wanted: &str| {
        if !holds {
            let fault = Fault::new("HP-KIT-113", subject, format!("the {what} is not one"));
            faults.push(fault.actual(format!("`{}`", homeport_core::text::clip(found, 80))).expected(wanted));
        }
    };
    demand(is_package_name(name), "package name", name, "2 or more of a-z, 0-9, `+`, `-` and `.`");
    let in_version = |b: u8| b.is_ascii_alphanumeric() || b".+-:~".contains(&b);
    demand(
        version.bytes().all(in_version) && version.bytes().any(|b| b.is_ascii_digit()),
        "version",
        version,
        "letters, digits, `.`, `+`, `-`, `:` and `~`",
    );
    demand(
        architecture.bytes().all(|b| lower(b) || b == b'-'),
        "architecture",
        architecture,
        "`all` or for example `amd64`",
    );
    demand(size.parse::<u64>().is_ok(), "size", size, "a number of bytes");
    demand(sha256.parse::<Sha256>().is_ok(), "sha256", sha256, "64 lowercase hexadecimal digits");
    let in_filename = |b: u8| b.is_ascii_alphanumeric() || b".+-_~%".contains(&b);
    demand(
        filename.len() > 4
            && filename.strip_suffix(".deb").is_some()
            && !filename.starts_with('.')
            && filename.bytes().all(in_filename),
        "file name",
        filename,
        "a name that ends in `.deb`, without a directory",
    );
    match (size.parse(), sha256.parse()) {
        (Ok(size), Ok(sha256)) if faults.is_empty() => Ok(LockedDeb {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            size: Bytes::new(size),
            sha256,
            filename: filename.to_owned(),
        }),
        _ => Err(faults),
    }
}

/// Whether a text is a name of a Debian package: what is no name must never reach a command line.
pub(super) fn is_package_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.len() >= 2 && lower(bytes[0]) && bytes.iter().all(|b| lower(*b) || b"+-.".contains(b))
}

impl FromStr for Sha256 {
    type Err = homeport_core::digest::DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digest: homeport_core::digest::Digest = format!("sha256:{text}").parse()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digest.hex().as_bytes().chunks_exact(2)) {
            let nibble = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'a' + 10 };
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb(name: &str) -> LockedDeb {
        LockedDeb {
            name: name.to_owned(),
            version: "1:2.3~rc1-4+deb12u1".to_owned(),
            architecture: "amd64".to_owned(),
            size: Bytes::new(3),
            sha256: Sha256::of(b"abc"),
            filename: format!("{name}_2.3~rc1-4+deb12u1_amd64.deb"),
        }
    }

    #[test]
    fn a_lock_is_written_in_order_and_read_back() {
        let date = "2026-11-23".parse().unwrap();
        let lock = Lock::new(date, vec![deb("zsh"), deb("bash"), deb("libstdc++6")]);
        let text = lock.to_string();
        assert_eq!(Lock::parse(&text).unwrap(), lock);
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            "zsh 1:2.3~rc1-4+deb12u1 amd64 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad \
             zsh_2.3~rc1-4+deb12u1_amd64.deb"
        );
    }

    #[test]
    fn every_wrong_line_is_a_fault() {
        let sha = Sha256::of(b"abc");
        let text = format!(
            "homeport-debs 1\n\
             date 2026-02-30\n\
             bash 1.0 amd64 3 {sha} bash.deb\n\
             bash 1.0 amd64 3 {sha} bash.deb\n\
             awk 1.0 amd64 3 {sha} awk.deb\n\
             short 1.0\n\
             -oDir::Etc=x 1.0 amd64 3 {sha} x.deb\n\
             zsh 1.0;id AMD64 x {sha}0 ../zsh.deb\n"
        );
        let found: Vec<String> = Lock::parse(&text)
            .unwrap_err()
            .iter()
            .map(|fault| format!("{} {} {fault}", fault.code, fault.subject))
            .collect();
        let begins = [
            "HP-KIT-111 line 2 `2026-02-30` is not a day",
            "HP-KIT-112 line 4 `bash` stands after `bash`",
            "HP-KIT-112 line 5 `awk` stands after `bash`",
            "HP-KIT-113 line 6 the line has not the fields of a package: found 2",
            "HP-KIT-113 line 7 the package name is not one: found `-oDir::Etc=x`",
            "HP-KIT-113 line 8 the version is not one: found `1.0;id`",
            "HP-KIT-113 line 8 the architecture is not one: found `AMD64`",
            "HP-KIT-113 line 8 the size is not one: found `x`",
            "HP-KIT-113 line 8 the sha256 is not one",
            "HP-KIT-113 line 8 the file name is not one: found `../zsh.deb`",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (fault, begin) in found.iter().zip(begins) {
            assert!(fault.starts_with(begin), "{fault}\nwanted {begin}");
        }
    }

    #[test]
    fn what_is_no_lock_is_said_to_be_none() {
        for (text, found) in
            [("", "nothing"), ("[[package]]\n", "[[package]]"), ("homeport-debs 2\n", "homeport-debs 2")]
        {
            let faults = Lock::parse(text).unwrap_err();
            assert_eq!(faults[0].actual, format!("`{found}`"));
        }
        let faults = Lock::parse("homeport-debs 1\n").unwrap_err();
        assert_eq!(faults[0].message, "there is no `date` line");
    }
}
