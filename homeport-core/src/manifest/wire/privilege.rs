//! Owns what a port may do beyond an ordinary process, as written.
//! Never holds a rule that needs two fields: those are in `check`.

use std::collections::BTreeMap;

use crate::manifest::bound::{MOST, PATH, SYSCTL, TMPFS_MODE, form, items, lines, texts, whole};
use crate::manifest::declare::wire_object;

wire_object! {
    /// A file system in memory. [spec: MAN-23]
    pub struct Tmpfs {
        /// Where it stands in the container.
        pub path: String = form(PATH, 200),
        /// The most that it may hold.
        pub size_bytes: u64 = whole(4096, MOST),
        /// The directory's mode; `"0755"` where it is not said, or `"1777"`.
        pub mode: Option<String> = form(TMPFS_MODE, 4),
    }
}

wire_object! {
    /// What the port may do beyond an ordinary process. [spec: MAN-22]
    pub struct Privileges {
        /// Linux capabilities, without `CAP_`; SETUID, SETGID and KILL are always given.
        #[serde(default)]
        pub capabilities: Vec<String> = lines(64, 32),
        /// Whether the image's files are read-only; `true` where it is not said.
        pub read_only_root: Option<bool>,
        /// File systems in memory.
        #[serde(default)]
        pub tmpfs: Vec<Tmpfs> = items(32),
        /// Devices of the host.
        #[serde(default)]
        pub devices: Vec<String> = lines(32, 100),
        /// Kernel settings of the container.
        #[serde(default)]
        pub sysctls: BTreeMap<String, String> = texts(SYSCTL, 100, 32, 100),
    }
}
