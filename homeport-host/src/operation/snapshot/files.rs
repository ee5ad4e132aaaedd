//! Owns listing what a snapshot has, one entry at a time: memory does not depend on how many there are. Reads no content.

use homeport_core::name::VolumeName;
use homeport_core::unit::Bytes;
use homeport_volumes::store::{Store, VolumePart};
use homeport_volumes::tree::{Entry, Kind, Line, TreePath, escaped};

use crate::engine::Flow;
use crate::host::Host;
use crate::ledger::{Ledger, Time};
use crate::operation::data_error::DataError;
use crate::operation::{OperationError, find};
use crate::request::FilesRequest;

/// How many names are shown that may be meant by one that is not there.
const MOST_NEAR: usize = 8;

/// One entry of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ListedFile {
    /// The volume.
    pub volume: VolumeName,
    /// The path in it.
    pub path: TreePath,
    /// What it is.
    pub kind: ListedKind,
    /// Its permission bits in octal digits; `None` for a further name of a file, which is told of at its first one.
    pub mode: Option<String>,
    /// Its owner; `None` as above.
    pub uid: Option<u32>,
    /// Its group; `None` as above.
    pub gid: Option<u32>,
    /// The size of a regular file.
    pub size: Option<Bytes>,
    /// When it was modified; `None` for a further name.
    pub modified: Option<Time>,
    /// Where a symbolic link points, or the first name of the file that this is a further name of; escaped like a path.
    pub target: Option<String>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListedKind {
    /// A directory.
    Directory,
    /// A regular file, under its first name.
    File,
    /// A further name of a file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// Gives every entry at or below a path to `tell`, in the order of paths, until it wants no more. Returns how many there
/// were.
///
/// # Errors
/// No such snapshot, volume or path; entries that cannot be read, after those before them were told.
pub fn snapshot_files(
    host: &Host,
    request: &FilesRequest,
    tell: &mut dyn FnMut(&ListedFile) -> Flow,
) -> Result<u64, OperationError> {
    let (store, head) = find::snapshot(&Ledger::open(&host.layout)?, &request.which)?;
    let wanted = |part: &&VolumePart| request.volume.as_ref().is_none_or(|name| part.name == *name);
    let parts: Vec<&VolumePart> = head.body.volumes.iter().filter(wanted).collect();
    if let (Some(volume), true) = (&request.volume, parts.is_empty()) {
        return Err(DataError::UnknownVolume {
            instance: request.which.instance.clone(),
            volume: volume.clone(),
            known: head.body.volumes.iter().map(|part| part.name.to_string()).collect(),
        }
        .into());
    }
    let mut count = 0;
    for part in parts {
        let (told, flow) = one(&store, part, &request.path, tell)?;
        count += told;
        if flow == Flow::Stop {
            break;
        }
    }
    Ok(count)
}

fn one(
    store: &Store,
    part: &VolumePart,
    wanted: &TreePath,
    tell: &mut dyn FnMut(&ListedFile) -> Flow,
) -> Result<(u64, Flow), DataError> {
    let (mut count, mut near) = (0, Vec::new());
    for line in store.entries(&part.entries)? {
        let line = line?;
        let Some(path) = line.path() else { continue };
        if path == wanted || path.is_below(wanted) {
            count += 1;
            let Some(listed) = listed(&part.name, line) else { continue };
            if tell(&listed) == Flow::Stop {
                return Ok((count, Flow::Stop));
            }
        } else if near.len() < MOST_NEAR && is_near(path, wanted) {
            near.push(path.to_string());
        }
    }
    if count == 0 {
        return Err(DataError::NoEntry { volume: part.name.clone(), path: wanted.clone(), near });
    }
    Ok((count, Flow::Continue))
}

/// Whether it is in the same directory, with a name that one can take for the other: the same in other letters' case, the
/// beginning of it, or with the same beginning.
fn is_near(path: &TreePath, wanted: &TreePath) -> bool {
    let (Some(name), Some(other)) = (path.name(), wanted.name()) else { return false };
    if path.parent() != wanted.parent() {
        return false;
    }
    let same = name.iter().zip(other).take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count();
    same == name.len().min(other.len()) || same >= 3
}

fn listed(volume: &VolumeName, line: Line) -> Option<ListedFile> {
    match line {
        Line::Entry(entry) => Some(entry_of(volume, entry)),
        Line::HardLink(name) => Some(ListedFile {
            volume: volume.clone(),
            path: name.path,
            kind: ListedKind::HardLink,
            mode: None,
            uid: None,
            gid: None,
            size: None,
            modified: None,
            target: Some(name.first.to_string()),
        }),
        Line::Piece(_) => None,
    }
}

fn entry_of(volume: &VolumeName, entry: Entry) -> ListedFile {
    let Entry { path, meta, kind } = entry;
    let (kind, size, target) = match kind {
        Kind::Directory => (ListedKind::Directory, None, None),
        Kind::File { size, .. } => (ListedKind::File, Some(Bytes::new(size)), None),
        Kind::Symlink { target } => (ListedKind::Symlink, None, Some(escaped(target.as_bytes()))),
        Kind::Fifo => (ListedKind::Fifo, None, None),
        Kind::Socket => (ListedKind::Socket, None, None),
        Kind::Character(_) => (ListedKind::Character, None, None),
        Kind::Block(_) => (ListedKind::Block, None, None),
    };
    ListedFile {
        volume: volume.clone(),
        path,
        kind,
        mode: Some(meta.mode.to_string()),
        uid: Some(meta.uid.get()),
        gid: Some(meta.gid.get()),
        size,
        modified: Some(Time::of_unix(meta.modified.seconds(), meta.modified.nanos())),
        target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_another_of_the_same_directory_only() {
        let path = |text: &str| text.parse::<TreePath>().unwrap();
        for (there, wanted) in [("mail/Inbox", "mail/inbox"), ("mail/inbox", "mail/in"), ("a/notes.txt", "a/notes.md")]
        {
            assert!(is_near(&path(there), &path(wanted)), "{there} {wanted}");
        }
        for (there, wanted) in [("mail/inbox", "inbox"), ("mail/sent", "mail/inbox"), (".", "mail"), ("mail", ".")] {
            assert!(!is_near(&path(there), &path(wanted)), "{there} {wanted}");
        }
    }
}
