//! A process in a root directory of its own that has a directory of the stand mounted at `/data`, as a container would: no
//! engine knows of it, and no table of mounts but its own shows what it has. Ends when it goes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where the process has the directory.
pub(crate) const TARGET: &str = "/data";

const SCRIPT: &str = r#"set -e
    mount -t tmpfs none "$1"
    mkdir "$1/data"
    mount --bind "$2" "$1/data"
    for dir in bin usr lib lib64; do mkdir -p "$1/$dir"; mount --bind -o ro /$dir "$1/$dir"; done
    exec chroot "$1" /bin/sh -c 'echo ready; read _'"#;

/// The process, which waits until it is ended.
pub(crate) struct Cell(Child);

impl Cell {
    /// A process whose root is `root`, an empty directory, and which has `source` mounted.
    pub(crate) fn with(root: &Path, source: &Path) -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"])
            .args([root, source])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let cell = Self(child);
        assert_eq!(line, "ready\n");
        cell
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What the kernel says of its mounts.
    pub(crate) fn table(&self) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/mountinfo", self.pid())).unwrap()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}
