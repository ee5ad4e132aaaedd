//! Owns the images that tests deploy beside the shell port: ports without code, made of the generic init and busybox.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use homeport_sdk::kit::build::{Date, Parts, Source, assemble};

use super::world::docker;

/// The shell port of this repository.
pub(crate) fn shell() -> &'static str {
    static CHECKED: OnceLock<()> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let there = docker(&["image", "ls", "--quiet", "homeport/shell:1.0.0"]);
        assert!(!there.is_empty(), "the shell port is not built: `cargo xtask build-port ports/shell`");
    });
    "homeport/shell:1.0.0"
}

/// The next version of the shell port of this repository.
pub(crate) fn newer_shell() -> &'static str {
    static CHECKED: OnceLock<()> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let there = docker(&["image", "ls", "--quiet", "homeport/shell:1.1.0"]);
        assert!(!there.is_empty(), "the shell port is not built: `cargo xtask build-port ports/shell`");
    });
    "homeport/shell:1.1.0"
}

/// An image in the engine, removed when it is dropped. Made before the world whose containers use it, it is dropped after
/// them: an image in use would only lose its name.
pub(crate) struct TestImage {
    pub(crate) name: String,
}

impl Drop for TestImage {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.name]);
    }
}

/// What a port without code is made of.
pub(crate) struct Recipe<'a> {
    /// Its id; every test has ids of its own.
    pub(crate) id: &'a str,
    /// What stands in `port.toml` after `[port]`.
    pub(crate) manifest: &'a str,
    /// What its one service runs, after `/bin/busybox`.
    pub(crate) service: &'a [&'a str],
    /// How the service shows that it is ready, in the words of `services.toml`.
    pub(crate) ready: &'a str,
}

/// A web server with a volume: the port that most tests deploy.
pub(crate) const WEB: &str = r#"
[volumes.site]
path = "/srv/site"
format = 1
uid = 1000
gid = 1000
mode = "0750"

[endpoints.http]
port = 8080
protocol = "http"
exposure = "public"
default_public = "random"

[services.web]
uid = 1000

[health]
ready_seconds = 20

[stop]
timeout_seconds = 3
"#;

/// The web server's program.
pub(crate) const HTTPD: &[&str] = &["httpd", "-f", "-p", "8080", "-h", "/srv/site"];

/// A web server under this id.
pub(crate) fn web(id: &str) -> TestImage {
    port(&Recipe { id, manifest: WEB, service: HTTPD, ready: "ready = { tcp = 8080 }" })
}

/// Builds a port without code and loads it.
pub(crate) fn port(recipe: &Recipe<'_>) -> TestImage {
    version(recipe, "1.0.0", None)
}

/// Where a port finds the generic init whose own is a script.
pub(crate) const GENERIC_INIT: &str = "/usr/lib/homeport-init";

/// Builds this version of a port and loads it. `init` is a script of its own, which finds the generic one at [`GENERIC_INIT`].
pub(crate) fn version(recipe: &Recipe<'_>, version: &str, init: Option<&str>) -> TestImage {
    let dir = tempfile::tempdir().unwrap();
    let words: Vec<String> = recipe.service.iter().map(|word| format!("{word:?}")).collect();
    write(
        dir.path(),
        "port.toml",
        &format!(
            "protocol = \"1.0\"\n\n[port]\nid = \"{}\"\nversion = \"{version}\"\ntitle = \"A port for tests\"\n{}",
            recipe.id, recipe.manifest
        ),
    );
    write(dir.path(), "image.toml", "format = 1\n");
    write(
        dir.path(),
        "services.toml",
        &format!(
            "[services.web]\ncommand = [\"/bin/busybox\", {}]\nuid = 1000\ngid = 1000\n{}\n",
            words.join(", "),
            recipe.ready
        ),
    );
    let rootfs = dir.path().join("rootfs");
    program(&rootfs, "/bin/busybox", &fs::read("/bin/busybox").expect("busybox is installed: `cargo xtask setup`"));
    let generic = static_program("homeport-init");
    let init = match init {
        Some(script) => {
            program(&rootfs, GENERIC_INIT, &generic);
            script.as_bytes().to_owned()
        }
        None => generic,
    };
    let archive = dir.path().join("image.tar");
    let name = write_archive(dir.path(), init, &archive);
    docker(&["load", "--quiet", "--input", archive.to_str().unwrap()]);
    TestImage { name }
}

/// Builds the image of a port's folder into an archive that engines load; returns its name.
pub(crate) fn write_archive(folder: &Path, init: Vec<u8>, archive: &Path) -> String {
    let source = Source::read(folder).unwrap();
    let image = assemble(Parts { source: &source, debs: Vec::new(), date: Date::EPOCH, init }).unwrap();
    image.write(fs::File::create(archive).unwrap()).unwrap();
    image.tag().to_owned()
}

/// Builds an image from a Dockerfile, under a name for tests.
pub(crate) fn dockerfile(name: &str, text: &str) -> TestImage {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "Dockerfile", text);
    fs::copy("/bin/busybox", dir.path().join("busybox")).expect("busybox is installed: `cargo xtask setup`");
    let name = format!("homeport-test/{name}:1");
    docker(&["build", "--quiet", "--tag", &name, dir.path().to_str().unwrap()]);
    TestImage { name }
}

/// Puts a program into a tree.
pub(crate) fn program(rootfs: &Path, path: &str, bytes: &[u8]) {
    let file = rootfs.join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, bytes).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

/// A static program that can be PID 1, as `cargo xtask ci` builds it: the generic init, or `examples/NAME`.
pub(crate) fn static_program(name: &str) -> Vec<u8> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let init = target.join("init");
    let built = fs::read_dir(&init).ok().and_then(|triples| {
        triples.filter_map(Result::ok).map(|triple| triple.path().join("init").join(name)).find(|file| file.exists())
    });
    let file =
        built.unwrap_or_else(|| panic!("no static `{name}` below `{}`: `cargo xtask ci` builds it", init.display()));
    fs::read(file).unwrap()
}
