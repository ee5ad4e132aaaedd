//! Owns the end of what was taken out seven days ago: unlinked, once it is proven again that nothing needs it.
//! Never unlinks a pack that holds the only whole copy of anything. [spec: STO-29]

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, OFlags, RenameFlags};

use super::survey::Survey;
use crate::directory;
use crate::failpoint;
use crate::file::open_in;
use crate::store::draft::sync_room;
use crate::store::error::{StoreError, error_text};
use crate::store::identity::PackId;
use crate::store::objects::Objects;
use crate::store::pack::name::parse_pack_file;
use crate::store::pack::rebuild::rebuild;
use crate::store::place::{Place, Room};
use crate::store::removed::open_batch;

/// What became of one directory below `removed/`.
#[derive(Debug, Default)]
pub(super) struct Expired {
    pub(super) freed: u64,
    pub(super) brought_back: Vec<PackId>,
    /// What the disk does not give back, and why: it stays.
    pub(super) unread: Vec<(String, String)>,
}

/// Unlinks the files of one directory below `removed/`, and the directory. What cannot be read there stays, is named, and
/// hinders nothing else: it was given up already. A step that writes and fails ends the collection. [spec: STO-29]
pub(super) fn expire(place: &Place, name: &str, objects: &Objects, survey: &Survey) -> Result<Expired, StoreError> {
    let mut expired = Expired::default();
    let batch = match open_batch(place, name) {
        Ok(batch) => batch,
        Err(error) => {
            expired.unread.push((format!("removed/{name}"), error_text(&error)));
            return Ok(expired);
        }
    };
    let at = |file: &str| place.at(Room::Removed, name).join(file);
    let files = match directory::names(&batch, usize::MAX) {
        Ok(files) => files,
        Err(error) => {
            expired.unread.push((format!("removed/{name}"), error.to_string()));
            return Ok(expired);
        }
    };
    let mut files: Vec<String> = files.into_iter().map(|file| file.to_string_lossy().into_owned()).collect();
    files.sort_unstable();
    let mut stays = false;
    for file in files {
        if let Some(pack) = parse_pack_file(&file) {
            match is_replaceable(&batch, &file, &pack, objects, survey, &at(&file)) {
                Ok(true) => {}
                Ok(false) => {
                    expired.brought_back.push(pack);
                    stays |= bring_back(place, &batch, &file)? == Return::NameTaken;
                    continue;
                }
                Err(error) => {
                    expired.unread.push((format!("removed/{name}/{file}"), error_text(&error)));
                    stays = true;
                    continue;
                }
            }
        }
        let size = rustix::fs::statat(&batch, &*file, AtFlags::SYMLINK_NOFOLLOW).map_or(0, |stat| stat.st_size);
        let gone = failpoint::point("store.expire.unlink")
            .and_then(|()| Ok(rustix::fs::unlinkat(&batch, &*file, AtFlags::empty())?));
        gone.map_err(|error| place.failed("unlink", at(&file), 0, error))?;
        expired.freed += u64::try_from(size).unwrap_or(0);
    }
    if !stays {
        let gone = failpoint::point("store.expire.directory")
            .and_then(|()| Ok(rustix::fs::unlinkat(place.room(Room::Removed), name, AtFlags::REMOVEDIR)?));
        gone.map_err(|error| place.failed("unlink", at(""), 0, error))?;
    }
    sync_room(place, Room::Removed, "store.expire.sync")?;
    Ok(expired)
}

#[derive(Debug, PartialEq, Eq)]
enum Return {
    Done,
    NameTaken,
}

/// Moves a pack back into the store; its index is made anew by the next writer.
fn bring_back(place: &Place, batch: &OwnedFd, file: &str) -> Result<Return, StoreError> {
    let moved = failpoint::point("store.expire.return").and_then(|()| {
        Ok(rustix::fs::renameat_with(batch, file, place.room(Room::Packs), file, RenameFlags::NOREPLACE)?)
    });
    match moved {
        Ok(()) => {
            sync_room(place, Room::Packs, "store.expire.returned")?;
            Ok(Return::Done)
        }
        // A damaged pack of the same members has the name; this one stays where it is.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Return::NameTaken),
        Err(error) => Err(place.failed("bring back", place.at(Room::Packs, file), 0, error)),
    }
}

/// Whether everything in a pack that a snapshot needs can be read, whole, from elsewhere. Reads all of it.
fn is_replaceable(
    batch: &OwnedFd,
    file: &str,
    pack: &PackId,
    objects: &Objects,
    survey: &Survey,
    path: &Path,
) -> Result<bool, StoreError> {
    let opened: File = open_in(batch.as_fd(), file, OFlags::RDONLY, 0).map_err(StoreError::io("read", path))?;
    let mut bytes = Vec::new();
    for record in rebuild(&opened, pack).map_err(StoreError::io("read", path))?.records {
        let needed = objects.is_marked(&record.object, &survey.marks)?;
        if needed && objects.read(&record.object, &mut bytes).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
