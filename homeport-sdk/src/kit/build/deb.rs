//! Reads a Debian binary package from its bytes, into values.
//! Never writes to the disk, never runs a script of the package, and never believes a path in it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use homeport_core::unit::{Gid, Mode, Uid};

use super::path::{ImagePath, PathError};
use super::tree::{Meta, Node};

/// The most bytes that a package may unpack to: a bound against an archive that never ends.
const MAX_UNPACKED: u64 = 1 << 30;

/// A package, unpacked in memory. A copy shares the files' bytes.
#[derive(Debug, Clone)]
pub struct Deb {
    /// The package's own description, as it stands in its `control` file.
    pub control: String,
    /// What it brings, in its own order; a path can come more than once.
    pub entries: Vec<(ImagePath, Node)>,
}

/// Why bytes are not a package that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The archive itself cannot be read.
    #[error("cannot read the package's archive")]
    Read(#[source] io::Error),
    /// It lacks a part.
    #[error("the package has no `{0}`: wanted a Debian binary package of format 2.0")]
    Missing(&'static str),
    /// It is of a format that is not known.
    #[error("the package is of format `{0}`: wanted `2.0`")]
    Format(String),
    /// A part is compressed in a way that is not known.
    #[error("`{0}` is compressed in an unknown way: wanted .tar, .tar.gz, .tar.xz or .tar.zst")]
    Compression(String),
    /// It unpacks to more than a package may.
    #[error("the package unpacks to more than {MAX_UNPACKED} bytes")]
    TooLarge,
    /// A path in it is not allowed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It brings something that is no file, directory or link.
    #[error("`{path}` is a {kind}: wanted only files, directories and links")]
    Kind {
        /// Where.
        path: String,
        /// What it is, for example `character device`.
        kind: &'static str,
    },
    /// A hard link points at nothing that came before it.
    #[error("`{path}` is a hard link to `{target}`, which is no file that came before it")]
    Dangling {
        /// Where.
        path: ImagePath,
        /// Its target.
        target: String,
    },
    /// A symlink's target is not text.
    #[error("the symlink `{0}` has no target that is text")]
    Target(ImagePath),
    /// A merged top directory is a link to something else than its place in `/usr`.
    #[error("`{path}` is a link to `{target}`: wanted its place in `/usr`")]
    Merge {
        /// Where.
        path: ImagePath,
        /// Its target.
        target: String,
    },
}

impl Deb {
    /// Reads a package from the bytes of its `.deb` file.
    pub fn read(bytes: &[u8]) -> Result<Self, DebError> {
        let mut parts = ar::Archive::new(bytes);
        let (mut format, mut control, mut data) = (None, None, None);
        while let Some(part) = parts.next_entry() {
            let mut part = part.map_err(DebError::Read)?;
            let name = String::from_utf8_lossy(part.header().identifier()).trim_end_matches('/').to_owned();
            let slot = match name.split('.').next() {
                Some("debian-binary") => &mut format,
                Some("control") => &mut control,
                Some("data") => &mut data,
                // Parts that begin with `_` are for others to ignore; nothing else is known.
                _ => continue,
            };
            let mut content = Vec::new();
            part.read_to_end(&mut content).map_err(DebError::Read)?;
            *slot = Some((name, content));
        }
        let (_, format) = format.ok_or(DebError::Missing("debian-binary"))?;
        let (control_name, control) = control.ok_or(DebError::Missing("control.tar"))?;
        let (data_name, data) = data.ok_or(DebError::Missing("data.tar"))?;
        let format = String::from_utf8_lossy(&format).trim().to_owned();
        if !format.starts_with("2.") {
            return Err(DebError::Format(format));
        }
        let control = read_control(&unpacked(&control_name, &control)?)?;
        Ok(Self { control, entries: read_entries(&unpacked(&data_name, &data)?)? })
    }
}

/// The bytes of a compressed tar, bounded.
fn unpacked(name: &str, bytes: &[u8]) -> Result<Vec<u8>, DebError> {
    let reader: Box<dyn Read + '_> = match name.split_once('.').map(|(_, extension)| extension) {
        Some("tar") => Box::new(bytes),
        Some("tar.gz") => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Some("tar.xz") => Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes)),
        Some("tar.zst") => Box::new(zstd::Decoder::new(bytes).map_err(DebError::Read)?),
        _ => return Err(DebError::Compression(name.to_owned())),
    };
    let mut out = Vec::new();
    reader.take(MAX_UNPACKED + 1).read_to_end(&mut out).map_err(DebError::Read)?;
    if out.len() as u64 > MAX_UNPACKED { Err(DebError::TooLarge) } else { Ok(out) }
}

fn read_control(tar: &[u8]) -> Result<String, DebError> {
    for entry in tar::Archive::new(tar).entries().map_err(DebError::Read)? {
        let mut entry = entry.map_err(DebError::Read)?;
        if entry.path_bytes().strip_prefix(b"./").unwrap_or(&entry.path_bytes()) == b"control" {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(DebError::Read)?;
            return Ok(text);
        }
    }
    Err(DebError::Missing("control"))
}

fn read_entries(tar: &[u8]) -> Result<Vec<(ImagePath, Node)>, DebError> {
    let mut entries = Vec::new();
    let mut files: BTreeMap<ImagePath, Node> = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().map_err(DebError::Read)? {
        let mut entry = entry.map_err(DebError::Read)?;
        let raw = entry.path_bytes().into_owned();
        let Some(path) = ImagePath::from_archive(&raw)? else { continue };
        let target = entry.link_name_bytes().and_then(|name| String::from_utf8(name.into_owned()).ok());
        let node = match entry.header().entry_type() {
            tar::EntryType::Directory => Node::Directory(meta(entry.header())?),
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(DebError::Read)?;
                Node::File(meta(entry.header())?, Arc::from(bytes))
            }
            tar::EntryType::Symlink => match target.filter(|target| !target.is_empty()) {
                // A link that stands where a merged directory was: the tree makes it itself.
                Some(target) if is_merged_top(&raw) => {
                    let place = target.trim_start_matches('/').trim_end_matches('/');
                    if place != path.as_str() {
                        return Err(DebError::Merge { path, target });
                    }
                    continue;
                }
                Some(target) => Node::Symlink(target),
                None => return Err(DebError::Target(path)),
            },
            tar::EntryType::Link => {
                let target = target.unwrap_or_default();
                let linked = ImagePath::from_archive(target.as_bytes())?.and_then(|target| files.get(&target).cloned());
                linked.ok_or_else(|| DebError::Dangling { path: path.clone(), target })?
            }
            other => return Err(DebError::Kind { path: path.to_string(), kind: kind_name(other) }),
        };
        if matches!(node, Node::File(..)) {
            files.insert(path.clone(), node.clone());
        }
        entries.push((path, node));
    }
    Ok(entries)
}

/// Whether the path is one of the top directories that were merged, as it was written.
fn is_merged_top(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    super::path::MERGED.contains(&text.trim_start_matches("./").trim_end_matches('/'))
}

fn meta(header: &tar::Header) -> Result<Meta, DebError> {
    let id = |id: u64| u32::try_from(id).map_err(|e| DebError::Read(io::Error::new(io::ErrorKind::InvalidData, e)));
    Ok(Meta {
        mode: Mode::new(header.mode().map_err(DebError::Read)?),
        uid: Uid::new(id(header.uid().map_err(DebError::Read)?)?),
        gid: Gid::new(id(header.gid().map_err(DebError::Read)?)?),
    })
}

fn kind_name(kind: tar::EntryType) -> &'static str {
    match kind {
        tar::EntryType::Char => "character device",
        tar::EntryType::Block => "block device",
        tar::EntryType::Fifo => "named pipe",
        _ => "entry of an unknown kind",
    }
}

#[cfg(test)]
#[path = "deb_tests.rs"]
pub(super) mod tests;
