//! Owns the bytes of a snapshot's file: the one form in which they are written, and reading them back strictly.
//! Never touches a file.

use std::collections::HashSet;
use std::fmt::{Display, Write as _};
use std::str::FromStr;

use homeport_core::unit::{Format, Gid, Mode, Uid};
use sha2::{Digest as _, Sha256};

use super::fault::HeadFault;
use super::value::{Alarm, Consistency, Measure, Reason, SnapshotBody, SnapshotHead, VolumePart};
use crate::identity::Generation;
use crate::owner::Owner;
use crate::store::identity::{Hex, Sequence};
use crate::tree::{escaped, unescaped};

/// The most bytes that are read: some thousand volumes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

const FIRST: &str = "homeport-snapshot 1";
const NONE: &str = "-";
/// The length of the last line.
const TAIL: usize = "sha256 ".len() + 64 + 1;

impl SnapshotHead {
    /// The file's bytes. [spec: STO-20]
    pub(crate) fn render(&self) -> Vec<u8> {
        let body = &self.body;
        let mut text = format!("{FIRST}\n");
        let mut line = |word: &str, value: &str| {
            // Writing into a string cannot fail.
            let _written = writeln!(text, "{word} {value}");
        };
        line("uuid", &body.uuid.to_string());
        line("sequence", &format!("{:#}", self.sequence));
        line("taken", &body.taken.to_string());
        line("root", body.root.as_str());
        line("instance", body.instance.as_str());
        line("port", body.port.as_str());
        line("version", &word(&body.version));
        line("image", &or_none(body.image.as_ref()));
        line("manifest", &or_none(body.manifest.as_ref()));
        line("configuration", &or_none(body.configuration.as_ref()));
        line("reason", body.reason.as_str());
        line("consistency", body.consistency.as_str());
        line("note", &body.note.as_deref().map_or_else(|| NONE.to_owned(), word));
        for part in &body.volumes {
            line("volume", &part.to_string());
        }
        for alarm in &body.alarms {
            line("alarm", &format!("{} {} {} {}", alarm.volume, alarm.measure, alarm.before, alarm.now));
        }
        line("parent", &or_none(body.parent.as_ref()));
        let sum = sum(text.as_bytes());
        format!("{text}sha256 {}\n", sum.as_str()).into_bytes()
    }

    /// Reads a snapshot strictly: every line known, in its place and valid, the checksum right, and the bytes exactly
    /// those that [`SnapshotHead::render`] gives. [spec: STO-20, STO-21]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, HeadFault> {
        if bytes.len() > MAX_BYTES {
            return Err(HeadFault::TooLong { limit: MAX_BYTES });
        }
        let text = checked(bytes)?;
        let mut lines = Lines { rest: text.lines().collect(), number: 0 };
        lines.take("`homeport-snapshot 1`", |line| (line == FIRST).then_some(()))?;
        let uuid = lines.value("uuid", "`uuid` and a lowercase UUID")?;
        let sequence = lines.with("sequence", "`sequence` and 1 to 99999999", |value| Sequence::new(number(value)?))?;
        let mut body = SnapshotBody {
            uuid,
            taken: lines.value("taken", "`taken` and a time")?,
            root: lines.value("root", "`root` and 8 hexadecimal digits")?,
            instance: lines.value("instance", "`instance` and its name")?,
            port: lines.value("port", "`port` and its id")?,
            version: lines.with("version", "`version` and the port's version", text_of)?,
            image: lines.option("image", "`image` and its id, or `-`")?,
            manifest: lines.option("manifest", "`manifest` and an object, or `-`")?,
            configuration: lines.option("configuration", "`configuration` and an object, or `-`")?,
            reason: lines.with("reason", "`reason` and a known reason", Reason::parse)?,
            consistency: lines.with("consistency", "`consistency` and `stopped`, `frozen` or `running`", |word| {
                Consistency::parse(word)
            })?,
            note: lines.with("note", "`note` and a text, or `-`", |value| {
                if value == NONE { Some(None) } else { text_of(value).map(Some) }
            })?,
            volumes: Vec::new(),
            alarms: Vec::new(),
            parent: None,
        };
        while lines.stands("volume") {
            body.volumes.push(lines.with("volume", "`volume` and its ten values", part)?);
        }
        while lines.stands("alarm") {
            body.alarms.push(lines.with("alarm", "`alarm`, volume, measure and two numbers", alarm)?);
        }
        body.parent = lines.option("parent", "`parent` and a UUID, or `-`")?;
        lines.take("`sha256` and 64 digits as the last line", |line| line.strip_prefix("sha256 ").map(drop))?;
        lines.end()?;
        let head = Self { sequence, body };
        head.consistent()?;
        if head.render() == bytes {
            Ok(head)
        } else {
            Err(HeadFault::Contradiction { what: "it is not in the form that HomePort writes".to_owned() })
        }
    }

    /// Whether the values can be together; a writer asks before it writes.
    pub(crate) fn consistent(&self) -> Result<(), HeadFault> {
        let body = &self.body;
        let refuse = |what: String| Err(HeadFault::Contradiction { what });
        let mut names = HashSet::new();
        if let Some(double) = body.volumes.iter().find(|part| !names.insert(&part.name)) {
            return refuse(format!("it has two volumes `{}`", double.name));
        }
        if body.note.as_deref() == Some("") || body.version.is_empty() {
            return refuse("a text is empty".to_owned());
        }
        if body.parent == Some(body.uuid) {
            return refuse("it is its own parent".to_owned());
        }
        Ok(())
    }
}

/// The text before its own checksum's line, with the checksum found right. What is newer is told first: its checksum
/// may be made in another way.
fn checked(bytes: &[u8]) -> Result<&str, HeadFault> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Some(version) = first.strip_prefix(b"homeport-snapshot ")
        && version != b"1"
        && version.iter().all(u8::is_ascii_digit)
        && !version.is_empty()
    {
        return Err(HeadFault::Newer { found: String::from_utf8_lossy(version).chars().take(20).collect() });
    }
    let at = bytes.len().checked_sub(TAIL).ok_or(HeadFault::Truncated)?;
    let (before, tail) = bytes.split_at(at);
    let digits = tail.strip_prefix(b"sha256 ").and_then(|rest| rest.strip_suffix(b"\n"));
    let found = digits.filter(|_| before.ends_with(b"\n")).ok_or(HeadFault::Truncated)?;
    let wanted = sum(before);
    if found != wanted.as_str().as_bytes() {
        let found = String::from_utf8_lossy(found).into_owned();
        return Err(HeadFault::Checksum { found, wanted: wanted.as_str().to_owned() });
    }
    std::str::from_utf8(bytes).map_err(|_| HeadFault::Contradiction { what: "it is not text".to_owned() })
}

fn sum(bytes: &[u8]) -> Hex {
    Hex::of(&Sha256::digest(bytes).into())
}

/// A text as one word; one that could be taken for nothing is told apart from it. [spec: STO-15]
fn word(text: &str) -> String {
    if text == NONE { "\\055".to_owned() } else { escaped(text.as_bytes()) }
}

fn text_of(word: &str) -> Option<String> {
    if word == "\\055" {
        return Some(NONE.to_owned());
    }
    String::from_utf8(unescaped(word)?).ok().filter(|text| !text.is_empty())
}

fn or_none<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| NONE.to_owned(), T::to_string)
}

/// A number as it is written: without a sign, without zeros before it.
fn number<T: FromStr + Display>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}

impl Display for VolumePart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Owner { uid, gid, mode } = self.owner;
        write!(f, "{} {} {} {}", self.name, self.uuid, self.format, self.generation)?;
        write!(f, " {uid} {gid} {mode} {} {} {}", self.entries, self.count, self.bytes)
    }
}

fn part(text: &str) -> Option<VolumePart> {
    let mut words = text.split(' ');
    let mut next = || words.next();
    let part = VolumePart {
        name: next()?.parse().ok()?,
        uuid: next()?.parse().ok()?,
        format: Format::new(number(next()?)?),
        generation: Generation::new(number(next()?)?),
        owner: Owner { uid: Uid::new(number(next()?)?), gid: Gid::new(number(next()?)?), mode: Mode::parse(next()?)? },
        entries: next()?.parse().ok()?,
        count: number(next()?)?,
        bytes: number(next()?)?,
    };
    next().is_none().then_some(part)
}

fn alarm(text: &str) -> Option<Alarm> {
    let mut words = text.split(' ');
    let mut next = || words.next();
    let alarm = Alarm {
        volume: next()?.parse().ok()?,
        measure: Measure::parse(next()?)?,
        before: number(next()?)?,
        now: number(next()?)?,
    };
    next().is_none().then_some(alarm)
}

/// The lines that are left, and the number of the next.
struct Lines<'a> {
    rest: std::collections::VecDeque<&'a str>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn take<T>(&mut self, wanted: &'static str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, HeadFault> {
        self.number += 1;
        let line = self.rest.pop_front().unwrap_or_default();
        let found = || line.chars().take(200).flat_map(char::escape_default).collect();
        read(line).ok_or_else(|| HeadFault::Line { line: self.number, found: found(), wanted })
    }

    fn with<T>(
        &mut self,
        word: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, HeadFault> {
        self.take(wanted, |line| read(line.strip_prefix(word)?.strip_prefix(' ')?))
    }

    fn value<T: FromStr>(&mut self, word: &'static str, wanted: &'static str) -> Result<T, HeadFault> {
        self.with(word, wanted, |value| value.parse().ok())
    }

    fn option<T: FromStr>(&mut self, word: &'static str, wanted: &'static str) -> Result<Option<T>, HeadFault> {
        self.with(word, wanted, |value| if value == NONE { Some(None) } else { value.parse().ok().map(Some) })
    }

    fn stands(&self, word: &str) -> bool {
        self.rest.front().is_some_and(|line| line.strip_prefix(word).is_some_and(|rest| rest.starts_with(' ')))
    }

    fn end(&mut self) -> Result<(), HeadFault> {
        if self.rest.is_empty() { Ok(()) } else { self.take("nothing after `sha256`", |_| None) }
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
