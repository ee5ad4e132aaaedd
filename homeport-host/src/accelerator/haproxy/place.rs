//! Owns the directory of what stands in front of one route: its name, its files and its socket. Never runs anything.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use homeport_router::RouteId;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use sha2::{Digest as _, Sha256};

use super::config::{HOLD, admin_socket};
use super::slot::Lodging;

/// The file that says whose directory it is.
const ROUTE: &str = "route";
/// How many may wait to be taken in by the router; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Makes the directory of a route anew below this one; whatever was there is gone.
pub(super) fn make(all: &Path, id: &RouteId) -> io::Result<PathBuf> {
    let dir = all.join(key(id));
    clear(&dir)?;
    crate::layout::prepare_private(all).map_err(io::Error::other)?;
    crate::layout::prepare_private(&dir).map_err(io::Error::other)?;
    fs::write(dir.join(ROUTE), id.to_string())?;
    Ok(dir)
}

/// What another daemon may have left running for a route below this directory, by number.
pub(super) fn left(all: &Path, id: &RouteId) -> io::Result<Vec<(PathBuf, u32)>> {
    let dir = all.join(key(id));
    match numbers(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        numbers => Ok(numbers?.into_iter().map(|number| (dir.clone(), number)).collect()),
    }
}

/// Every directory below this one, which may be missing.
pub(super) fn all(below: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(below) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// Whose directory it is; `None` where that is not known.
pub(super) fn route(dir: &Path) -> Option<RouteId> {
    let text = fs::read_to_string(dir.join(ROUTE)).ok()?;
    let (instance, endpoint) = text.split_once('/')?;
    let id = RouteId { instance: instance.parse().ok()?, endpoint: endpoint.parse().ok()? };
    (dir.file_name() == Some(OsString::from(key(&id)).as_os_str())).then_some(id)
}

/// The numbers of those whose configuration is in the directory.
pub(super) fn numbers(dir: &Path) -> io::Result<Vec<u32>> {
    let names = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name()));
    let number = |name: OsString| name.to_str()?.strip_suffix(".cfg")?.parse().ok();
    Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().filter_map(number).collect())
}

/// Takes a directory away with all files in it; one that is not there is fine.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The files of one haproxy.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// What it was started by.
    Configuration,
    /// Who has which slot.
    Note,
    /// There where it accepts nobody any more.
    Fading,
    /// What it says.
    Log,
}

/// The name of one of them, by the number of its haproxy.
pub(super) fn file_name(number: u32, kind: Kind) -> String {
    let ending = match kind {
        Kind::Configuration => "cfg",
        Kind::Note => "json",
        Kind::Fading => "fading",
        Kind::Log => "log",
    };
    format!("{number}.{ending}")
}

/// Where it is.
pub(super) fn path(dir: &Path, number: u32, kind: Kind) -> PathBuf {
    dir.join(file_name(number, kind))
}

/// Writes down who has which slot, whole or not at all.
pub(super) fn note(dir: &Path, number: u32, lodging: &Lodging) -> io::Result<()> {
    let (place, aside) = (path(dir, number, Kind::Note), dir.join(format!("{number}.json.new")));
    fs::write(&aside, serde_json::to_vec(lodging)?)?;
    fs::rename(aside, place)
}

/// Takes away all files of one that has ended.
pub(super) fn remove(dir: &Path, number: u32) {
    let own = [Kind::Configuration, Kind::Note, Kind::Fading, Kind::Log].map(|kind| path(dir, number, kind));
    for path in own.iter().chain([&dir.join(admin_socket(number))]) {
        fs::remove_file(path).ok();
    }
}

/// The kernel's number of a socket.
pub(super) fn inode(socket: &impl AsFd) -> io::Result<u64> {
    Ok(fs::File::from(socket.as_fd().try_clone_to_owned()?).metadata()?.ino())
}

/// A socket for those who are handed on, instead of whoever listened there before: nobody can connect before it is closed to
/// others.
pub(super) fn listen(dir: &Path) -> io::Result<UnixListener> {
    let path = dir.join(HOLD);
    fs::remove_file(&path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path)?)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// The directory's name: short, since the names of sockets are below it.
fn key(id: &RouteId) -> String {
    let digest = Sha256::digest(id.to_string());
    digest.first_chunk().map_or_else(String::new, |half| format!("{:016x}", u64::from_be_bytes(*half)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_directory_is_its_routes_and_no_others() {
        let top = tempfile::tempdir().unwrap();
        let (below, id) =
            (top.path().join("haproxy"), RouteId { instance: "a".parse().unwrap(), endpoint: "b".parse().unwrap() });
        assert!(all(&below).unwrap().is_empty());
        let dir = make(&below, &id).unwrap();
        assert_eq!((all(&below).unwrap(), route(&dir).as_ref()), (vec![dir.clone()], Some(&id)));
        for name in ["7.cfg", "x.cfg", "8.json", "12.cfg"] {
            fs::write(dir.join(name), "").unwrap();
        }
        let mut found = numbers(&dir).unwrap();
        found.sort_unstable();
        assert_eq!(found, [7, 12]);
        let other = below.join("0123456789abcdef");
        fs::rename(&dir, &other).unwrap();
        assert_eq!(route(&other), None, "under another name it is nobody's");
        clear(&other).unwrap();
        clear(&other).unwrap();
        assert!(numbers(&make(&below, &id).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn what_is_noted_of_one_is_whole_and_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        for number in [1, 2] {
            note(dir.path(), number, &Lodging::default()).unwrap();
            fs::write(path(dir.path(), number, Kind::Log), "said").unwrap();
            fs::write(dir.path().join(admin_socket(number)), "").unwrap();
        }
        let text = fs::read(path(dir.path(), 1, Kind::Note)).unwrap();
        assert_eq!(serde_json::from_slice::<Lodging>(&text).unwrap(), Lodging::default());
        remove(dir.path(), 1);
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["2.json", "2.log", "2.sock"]);
    }

    #[test]
    fn only_its_owner_may_hand_clients_on() {
        let top = tempfile::tempdir().unwrap();
        let first = listen(top.path()).unwrap();
        assert_eq!(fs::metadata(top.path().join(HOLD)).unwrap().permissions().mode() & 0o777, 0o600);
        let second = listen(top.path()).unwrap();
        let _client = UnixStream::connect(top.path().join(HOLD)).unwrap();
        assert!(second.accept().is_ok() && first.accept().is_err());
        assert_ne!(inode(&first).unwrap(), inode(&second).unwrap());
        assert_eq!(inode(&first).unwrap(), inode(&first.try_clone().unwrap()).unwrap());
    }
}
