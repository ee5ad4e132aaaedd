//! Owns the port that is upgraded: a web server without code, in two versions that differ in nothing else. Its images go
//! when it is dropped.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use homeport_sdk::kit::build::{Date, Parts, Source, assemble};

use crate::build_port::{docker, explained};
use crate::static_build::{self, Init};
use crate::workspace::Workspace;
use crate::{run, say};

/// The two versions.
pub(super) const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];
/// Where a container has the volume.
pub(super) const SITE: &str = "/srv/site";
/// The port of the server inside of a container.
pub(super) const INSIDE: u16 = 8080;

const MANIFEST: &str = r#"
[volumes.site]
path = "/srv/site"
format = 1
uid = 1000
gid = 1000
mode = "0755"

[endpoints.http]
port = 8080
protocol = "http"
exposure = "public"
default_public = "random"

[services.web]
uid = 1000

[resources]
pids_max = 512

[stop]
timeout_seconds = 5
"#;

const SERVICES: &str = r#"[services.web]
command = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/srv/site"]
uid = 1000
gid = 1000
ready = { tcp = 8080 }
"#;

/// An image in the engine, by its name.
#[derive(Debug)]
struct Image(String);

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = docker(&["image", "rm", "--force", &self.0]) {
            say::warning(error);
        }
    }
}

/// The images of both versions, in the engine.
#[derive(Debug)]
pub(super) struct Images([Image; 2]);

impl Images {
    /// Builds and loads both; `dir` is for what is needed on the way.
    pub(super) fn load(workspace: &Workspace, dir: &Path) -> Result<Self> {
        let init = static_build::build(workspace, &Init::Generic)?;
        let [older, newer] = VERSIONS.map(|version| load(version, &dir.join(version), init.clone()));
        Ok(Self([older?, newer?]))
    }

    /// The name of the older one, and of the newer.
    pub(super) fn tags(&self) -> [&str; 2] {
        [&self.0[0].0, &self.0[1].0]
    }
}

fn load(version: &str, dir: &Path, init: Vec<u8>) -> Result<Image> {
    let manifest = format!(
        "protocol = \"1.0\"\n\n[port]\nid = \"bench-upgrade\"\nversion = \"{version}\"\ntitle = \"A web server\"\n{MANIFEST}"
    );
    let busybox = dir.join("rootfs/bin/busybox");
    fs::create_dir_all(dir.join("rootfs/bin")).with_context(|| format!("cannot make `{}`", dir.display()))?;
    for (name, text) in [("port.toml", &*manifest), ("image.toml", "format = 1\n"), ("services.toml", SERVICES)] {
        fs::write(dir.join(name), text).with_context(|| format!("cannot write `{name}`"))?;
    }
    fs::copy("/bin/busybox", &busybox).context("cannot copy `/bin/busybox`: `cargo xtask setup` installs it")?;
    fs::set_permissions(&busybox, fs::Permissions::from_mode(0o755))?;
    let source = Source::read(dir).map_err(|error| explained(&error, dir))?;
    let image = assemble(Parts { source: &source, debs: Vec::new(), date: Date::EPOCH, init });
    let image = image.map_err(|error| explained(&error, dir))?;
    let archive = dir.join("image.tar");
    image.write(File::create(&archive)?).with_context(|| format!("cannot write `{}`", archive.display()))?;
    run::take(Command::new("docker").args(["load", "--quiet", "--input"]).arg(&archive))?;
    Ok(Image(image.tag().to_owned()))
}
