//! Owns the port that clients come to: it sends back what it gets. Its init is the example `echo`.

use std::path::Path;

use crate::fixture::{TestImage, program, static_program, write, write_archive};
use crate::world::docker;

/// What of the port's volume two versions may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Both may have it at once: the new version is ready before the old one gets no more clients.
    Shared,
    /// Only one may have it: it is stopped before the next one starts.
    Exclusive,
}

impl Access {
    const fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }
}

/// The two versions of it, which differ in nothing else.
pub(super) const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];
/// Where the client is that containers have.
pub(super) const BUSYBOX: &str = "/bin/busybox";

/// Where the endpoint that echoes is in the container.
pub(super) const ECHO_PORT: u16 = 7000;

/// Milliseconds until one listens that is stopped before the next one starts: with the rest of a start and a stop, clients are
/// without a container for a second.
const PAUSE: &str = "700";

/// Builds both versions and loads them; `test` tells them from those of other tests.
pub(super) fn images(test: &str, access: Access) -> [TestImage; 2] {
    VERSIONS.map(|version| image(&format!("t-{test}-{}", access.word()), version, access))
}

fn image(id: &str, version: &str, access: Access) -> TestImage {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "port.toml", &manifest(id, version, access));
    write(dir.path(), "image.toml", "format = 1\ninit = \"echo\"\n");
    let busybox = std::fs::read(BUSYBOX).expect("busybox is installed: `cargo xtask setup`");
    program(&dir.path().join("rootfs"), BUSYBOX, &busybox);
    if access == Access::Exclusive {
        program(&dir.path().join("rootfs"), "/etc/echo.pause", PAUSE.as_bytes());
    }
    let archive = dir.path().join("image.tar");
    let name = write_archive(dir.path(), static_program("examples/echo"), &archive);
    load(&archive);
    TestImage { name }
}

fn load(archive: &Path) {
    docker(&["load", "--quiet", "--input", archive.to_str().unwrap()]);
}

fn manifest(id: &str, version: &str, access: Access) -> String {
    let endpoint = |name: &str, port: u16| {
        format!(
            "[endpoints.{name}]\nport = {port}\nprotocol = \"{name}\"\nexposure = \"public\"\ndefault_public = \"random\"\n\n"
        )
    };
    let endpoints: String =
        [("echo", ECHO_PORT), ("mute", 7001), ("hasty", 7002)].map(|(name, port)| endpoint(name, port)).concat();
    let access = access.word();
    format!(
        r#"protocol = "1.0"

[port]
id = "{id}"
version = "{version}"
title = "An echo for tests"

[volumes.data]
path = "/data"
access = "{access}"
format = 1
uid = 0
gid = 0
mode = "0700"

{endpoints}[services.main]
uid = 0

[health]
ready_seconds = 20

[resources]
nofile = 16384

[stop]
timeout_seconds = 3
"#
    )
}
