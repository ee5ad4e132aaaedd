//! Owns the marker's bytes: the one form in which it is written, and reading it back with every fault.
//! Never touches a file.

use serde_json::{Map, Value};

use homeport_core::digest::Digest;
use homeport_core::unit::{Format, Gid, Mode, Uid};

use super::fault::MarkerFault;
use super::value::{Marker, MarkerVersion};
use crate::filesystem::FsIdentity;
use crate::identity::{Generation, RootId, UnixSeconds, VolumeUuid};
use crate::owner::Owner;
use crate::path::VolumePath;
use crate::sealed::{UNSEALED, digest_of};

/// The most bytes that are read; the longest marker that can be written is much shorter.
pub(crate) const MAX_BYTES: usize = 32 * 1024;

const FIELDS: [&str; 15] = [
    "version",
    "root",
    "port",
    "instance",
    "volume",
    "uuid",
    "format",
    "generation",
    "fs",
    "must_be_mount",
    "uid",
    "gid",
    "mode",
    "created",
    "sha256",
];

/// The fields in their order.
#[derive(serde::Serialize)]
struct Wire<'a> {
    version: MarkerVersion,
    root: &'a RootId,
    port: &'a str,
    instance: &'a str,
    volume: &'a str,
    uuid: VolumeUuid,
    format: Format,
    generation: Generation,
    fs: &'a FsIdentity,
    must_be_mount: Option<&'a VolumePath>,
    uid: Uid,
    gid: Gid,
    mode: String,
    created: UnixSeconds,
    sha256: Digest,
}

impl Marker {
    /// The marker's bytes: an indented JSON object with the fields in a fixed order and a line end behind it.
    ///
    /// `sha256` is the digest of these very bytes with its own 64 digits replaced by `0`, so that it can be checked
    /// with `sed` and `sha256sum`. [spec: VOL-9]
    pub fn render(&self) -> Vec<u8> {
        let unsealed = self.render_with(UNSEALED);
        self.render_with(digest_of(&unsealed, &UNSEALED))
    }

    fn render_with(&self, sha256: Digest) -> Vec<u8> {
        let wire = Wire {
            version: MarkerVersion::CURRENT,
            root: &self.root,
            port: self.port.as_str(),
            instance: self.instance.as_str(),
            volume: self.volume.as_str(),
            uuid: self.uuid,
            format: self.format,
            generation: self.generation,
            fs: &self.fs,
            must_be_mount: self.must_be_mount.as_ref(),
            uid: self.owner.uid,
            gid: self.owner.gid,
            mode: self.owner.mode.to_string(),
            created: self.created,
            sha256,
        };
        let mut bytes = Vec::with_capacity(1024);
        // Writing plain values into memory cannot fail; if it ever did, what is left does not parse.
        if serde_json::to_writer_pretty(&mut bytes, &wire).is_err() {
            bytes.clear();
        }
        bytes.push(b'\n');
        bytes
    }

    /// Reads a marker strictly: every field known, present and valid, the checksum right, and the bytes exactly those
    /// that [`Marker::render`] gives. [spec: VOL-12]
    ///
    /// # Errors
    /// All faults that can be seen. A newer version is told first and alone: what else it may hold is not known here.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<MarkerFault>> {
        let object = parse_object(bytes).map_err(|fault| vec![fault])?;
        let mut fields = Fields { object: &object, faults: Vec::new() };
        let version = fields.number("version", "a whole number").and_then(|v| u32::try_from(v).ok());
        if let Some(found) = version.map(MarkerVersion::new).filter(|found| *found > MarkerVersion::CURRENT) {
            return Err(vec![MarkerFault::Newer { found }]);
        }
        if version == Some(0) {
            fields.invalid("version", "1 or more");
        }
        fields.unknown();
        let sha256 = fields.parsed::<Digest>("sha256", "`sha256:` and 64 hexadecimal digits");
        if let Some(found) = sha256 {
            let wanted = digest_of(bytes, &found);
            if wanted != found {
                fields.faults.push(MarkerFault::Checksum { found: found.to_string(), wanted: wanted.to_string() });
            }
        }
        let marker = fields.marker();
        match marker {
            Some(marker) if fields.faults.is_empty() && marker.render() == bytes => Ok(marker),
            _ if fields.faults.is_empty() => Err(vec![MarkerFault::Form]),
            _ => Err(fields.faults),
        }
    }
}

fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, MarkerFault> {
    if bytes.is_empty() {
        return Err(MarkerFault::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(MarkerFault::TooLong { limit: MAX_BYTES });
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(MarkerFault::NotJson { line: 1, column: 0 }),
        Err(error) if error.is_eof() => Err(MarkerFault::Truncated { bytes: bytes.len() }),
        Err(error) => Err(MarkerFault::NotJson { line: error.line(), column: error.column() }),
    }
}

/// Reads fields one by one and collects what is wrong with them.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    faults: Vec<MarkerFault>,
}

impl Fields<'_> {
    fn unknown(&mut self) {
        let strange = self.object.keys().filter(|name| !FIELDS.contains(&name.as_str()));
        self.faults.extend(strange.map(|name| MarkerFault::Unknown { name: name.clone() }));
    }

    fn invalid(&mut self, name: &'static str, wanted: &'static str) {
        let found = self.object.get(name).map(Value::to_string).unwrap_or_default();
        self.faults.push(MarkerFault::Invalid { name, found, wanted });
    }

    /// The field's value as `read` makes it; a fault where it is missing or `read` finds nothing in it.
    fn field<T>(&mut self, name: &'static str, wanted: &'static str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let Some(value) = self.object.get(name) else {
            self.faults.push(MarkerFault::Missing { name });
            return None;
        };
        let read = read(value);
        if read.is_none() {
            self.invalid(name, wanted);
        }
        read
    }

    fn number(&mut self, name: &'static str, wanted: &'static str) -> Option<u64> {
        self.field(name, wanted, Value::as_u64)
    }

    fn number_u32(&mut self, name: &'static str) -> Option<u32> {
        self.field(name, "a whole number below 2^32", |value| value.as_u64().and_then(|n| u32::try_from(n).ok()))
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &'static str, wanted: &'static str) -> Option<T> {
        self.field(name, wanted, |value| value.as_str()?.parse().ok())
    }

    fn marker(&mut self) -> Option<Marker> {
        use homeport_core::name::{InstanceName, PortId, VolumeName};
        let root = self.parsed("root", RootId::WANTED);
        let port = self.parsed("port", PortId::WANTED);
        let instance = self.parsed("instance", InstanceName::WANTED);
        let volume = self.parsed("volume", VolumeName::WANTED);
        let uuid = self.parsed("uuid", VolumeUuid::WANTED);
        let format = self.number_u32("format");
        let generation = self.number("generation", "a whole number");
        let fs = self.field("fs", "an object of kind, uuid and fsid", |v| serde_json::from_value(v.clone()).ok());
        let must_be_mount = self.field("must_be_mount", "an absolute path or null", |value| match value {
            Value::Null => Some(None),
            Value::String(text) => text.parse().ok().map(Some),
            _ => None,
        });
        let user = self.number_u32("uid");
        let group = self.number_u32("gid");
        let mode = self.field("mode", "four octal digits", |value| Mode::parse(value.as_str()?));
        let created = self.number("created", "a whole number of seconds");
        Some(Marker {
            root: root?,
            port: port?,
            instance: instance?,
            volume: volume?,
            uuid: uuid?,
            format: Format::new(format?),
            generation: Generation::new(generation?),
            fs: fs?,
            must_be_mount: must_be_mount?,
            owner: Owner { uid: Uid::new(user?), gid: Gid::new(group?), mode: mode? },
            created: UnixSeconds::new(created?),
        })
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
