//! Owns the search for the process that holds an address. Best effort: it reads `/proc` and never changes anything.

use std::fmt;
use std::fs;
use std::path::Path;

use homeport_core::manifest::Transport;

use crate::address::ListenAddress;
use crate::socket_table::{SocketInode, in_the_way, parse_table};

/// A process that has a socket open on an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process id, as this process sees it.
    pub pid: u32,
    /// The name that the kernel keeps of the process: at most 15 bytes.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.name, self.pid)
    }
}

/// Finds the process that holds the address.
///
/// `None` when it cannot be known: it ended meanwhile, it belongs to another user and this process may not look, or it
/// is in another process namespace. Takes some milliseconds on a machine with thousands of processes.
pub(crate) fn find_holder(address: ListenAddress) -> Option<Holder> {
    let paths = match address.transport() {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let tables = paths.map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets = tables.iter().flat_map(|table| parse_table(address.transport(), table));
    in_the_way(address, sockets).into_iter().find_map(|socket| process_with(socket.inode))
}

fn process_with(inode: SocketInode) -> Option<Holder> {
    let link = format!("socket:[{}]", inode.0);
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        has_open(&entry.path(), &link).then(|| Holder { pid, name: name_of(&entry.path()) })
    })
}

fn has_open(process: &Path, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|found| found.as_os_str() == link))
}

fn name_of(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).map_or_else(|_| "?".to_owned(), |name| name.trim_end().to_owned())
}
