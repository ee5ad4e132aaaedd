//! Owns an instance that serves real data while somebody tries to give it another version, and what must be true after that
//! failed: everything is as it was, to the byte, and clients have noticed no more than they may.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use homeport_host::layout::Layout;
use homeport_host::ledger::{Ledger, OperationId};

use super::fixture::{GENERIC_INIT, HTTPD, Recipe, TestImage, version};
use super::refused_config::mask;
use super::world::{World, tool};

/// Whether two versions may have the volumes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Volumes {
    /// The old version serves until the new one does.
    Shared,
    /// The old version is stopped first.
    Exclusive,
}

pub(crate) const BOTH: [Volumes; 2] = [Volumes::Shared, Volumes::Exclusive];

/// What clients may notice of a failing upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// Nothing: the same container answers all the while.
    Served,
    /// They wait, and are answered.
    Wait,
    /// The new version served for a while: only what is afterwards counts.
    Moved,
}

/// A version of the port. What is not said is that of a version that works.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) id: &'a str,
    pub(crate) number: &'a str,
    /// The format of the volume `site`.
    pub(crate) format: u16,
    /// What stands in `port.toml` beside what every version has.
    pub(crate) more: &'a str,
    pub(crate) ready_seconds: u32,
    pub(crate) service: &'a [&'a str],
    /// What its init does by itself for a phase, as branches of a shell's `case`.
    pub(crate) phases: &'a str,
}

/// The step from format 2 to 3, for which a port has this many seconds.
pub(crate) const STEP: &str =
    "\n[[migrations]]\nvolume = \"site\"\nfrom = 2\nto = 3\ndown = true\nmax_seconds = SECONDS\n";

impl<'a> Version<'a> {
    /// The version that runs.
    pub(crate) const fn old(id: &'a str) -> Self {
        Self { id, number: "1.0.0", format: 2, more: "", ready_seconds: 20, service: HTTPD, phases: "" }
    }

    /// The next version, whose data has another format. It has `step` and what its init does for it.
    pub(crate) const fn next(id: &'a str, step: &'a str, phases: &'a str) -> Self {
        Self { number: "1.1.0", format: 3, more: step, phases, ..Self::old(id) }
    }

    /// Builds the image and loads it.
    pub(crate) fn build(&self, volumes: Volumes) -> TestImage {
        // Nothing is written that both might write, so that both may run.
        let access = match volumes {
            Volumes::Shared => "access = \"shared\"\nwrites = \"start\"",
            Volumes::Exclusive => "access = \"exclusive\"",
        };
        let volume = |name: &str, format: u16| {
            format!(
                "\n[volumes.{name}]\npath = \"/srv/{name}\"\n{access}\nformat = {format}\nuid = 0\ngid = 0\nmode = \"0755\"\n"
            )
        };
        let manifest = format!(
            "{}{}\n[endpoints.http]\nport = 8080\nprotocol = \"http\"\nexposure = \"public\"\ndefault_public = \"random\"\n\
             \n[services.web]\nuid = 1000\n\n[health]\nready_seconds = {}\n\n[stop]\ntimeout_seconds = 3\n{}",
            volume("site", self.format),
            volume("other", 1),
            self.ready_seconds,
            self.more
        );
        let recipe =
            Recipe { id: self.id, manifest: &manifest, service: self.service, ready: "ready = { tcp = 8080 }" };
        version(&recipe, self.number, (!self.phases.is_empty()).then(|| script(self.phases)).as_deref())
    }
}

/// An init that does these phases by itself and leaves the others to the generic one. `say EXIT MESSAGE` ends it as the
/// protocol wants an error to be told.
fn script(phases: &str) -> String {
    format!(
        r#"#!/bin/busybox sh
phase=$1
say() {{
    error="{{\"hp\":1,\"ts\":\"2026-01-01T00:00:00Z\",\"phase\":\"$phase\",\"level\":\"error\",\"code\":\"X-site-001\",\"subject\":\"volumes.site\",\"message\":\"$2\",\"expected\":\"\",\"actual\":\"\",\"remedy\":\"\",\"retry\":\"never\"}}"
    echo "$error" >&2
    echo "{{\"hp\":1,\"exit\":$1,\"phase\":\"$phase\",\"errors\":[$error],\"omitted\":0}}" > /run/port/termination.json
    exit "$1"
}}
case $phase in
{phases}
esac
exec {GENERIC_INIT} "$@"
"#
    )
}

/// An instance `site` of the old version, with data in both volumes.
pub(crate) struct Old {
    pub(crate) world: World,
    address: String,
    /// The directories of the volumes.
    volumes: [PathBuf; 2],
}

/// Everything that has to be as it was.
#[derive(Debug, PartialEq, Eq)]
struct Sight {
    page: Result<String, String>,
    data: Vec<String>,
    version: String,
    state: String,
    traces: Vec<String>,
    files: Vec<String>,
}

/// Where a volume has trees that were live for a while. That they are kept is no leftover, as long as the trash knows of each.
const TRASH: &str = "/.homeport/trash/";

impl Old {
    /// Deploys the image and gives it data. `site` is the directory of that volume, where it is not HomePort's choice.
    pub(crate) fn deploy(world: World, image: &str, site: Option<&Path>) -> Self {
        let at = site.map(|site| format!("site={}", site.display()));
        let mut args = vec!["deploy", image, "--name", "site", "--route", "http=127.0.0.1:random"];
        args.extend(at.iter().flat_map(|at| ["--volume", at]));
        world.ok(&args);
        let own = |name: &str| world.root().join("data/site").join(name);
        let volumes = [site.map_or_else(|| own("site"), Path::to_owned), own("other")];
        for (volume, text) in volumes.iter().zip(["first", "another thing"]) {
            let data = volume.join("data");
            std::fs::write(data.join("index.html"), text).unwrap();
            std::fs::create_dir(data.join("letters")).unwrap();
            let letters: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
            std::fs::write(data.join("letters/all"), letters).unwrap();
            std::os::unix::fs::symlink("letters/all", data.join("newest")).unwrap();
        }
        let address = world.address("site", "http");
        Self { world, address, volumes }
    }

    /// Tries to give it another version, which has to fail: exit code, message, and everything as it was.
    pub(crate) fn survives(&self, upgrade: &[&str], clients: Clients) -> String {
        let before = self.sight();
        let known = operations(&self.ledger()).len();
        assert_eq!(before.page.as_deref(), Ok("first"), "the old version serves");
        let old = self.world.container("site");
        let is_over = AtomicBool::new(false);
        let (did, polls) = std::thread::scope(|scope| {
            let polls = scope.spawn(|| poll(&self.address, &is_over));
            // What is told on the way depends on the time that things take; the error does not.
            let did = self.world.run(&[&["--quiet", "upgrade", "site"], upgrade].concat());
            is_over.store(true, Ordering::Relaxed);
            (did, polls.join().unwrap())
        });
        assert_eq!(did.code, 1, "{}\n{}", did.out, did.err);
        assert_eq!(did.out, "", "a failure has no result");
        let now = self.sight();
        assert_eq!(now, before, "{}\n{now:#?}\n{before:#?}", did.err);
        self.trash_knows_everything();
        let ledger = self.ledger();
        assert!(ledger.stuck_operations().unwrap().is_empty(), "{}", did.err);
        if clients == Clients::Served {
            assert_eq!(self.world.container("site"), old, "it was never stopped");
            assert!(!has_held(&ledger, known), "nobody was made to wait");
        }
        polls.judge(clients);
        without_ids(&mask(&self.world, &did.err))
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(&Layout::under(&self.world.root()).unwrap()).unwrap()
    }

    fn sight(&self) -> Sight {
        let world = &self.world;
        let list = world.json(&["list"]);
        let listed = &list["instances"][0];
        let container = world.container("site");
        Sight {
            page: ask(&self.address),
            data: self.volumes.iter().map(|volume| hash(&volume.join("data"))).collect(),
            version: listed["version"].to_string(),
            state: listed["state"].to_string(),
            traces: world.traces().into_iter().map(|trace| known(&trace, &container)).collect(),
            files: self.files(),
        }
    }

    /// Everything beside the ledger and the store: run directories, sockets, copies, markers, data.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        for place in [&self.world.root(), &self.volumes[0]] {
            let text = tool("find", &[place.to_str().unwrap(), "-xdev", "!", "-type", "d"]);
            found.extend(text.lines().map(str::to_owned));
        }
        let left_out = ["state", "store"].map(|part| self.world.root().join(part));
        found.retain(|file| !file.contains(TRASH) && !left_out.iter().any(|part| Path::new(file).starts_with(part)));
        found.sort();
        found.dedup();
        found
    }

    /// Each tree in the trash of a volume is one that `trash list` names.
    fn trash_knows_everything(&self) {
        let list = self.world.json(&["trash", "list"]);
        let bundles = list["bundles"].as_array().unwrap().iter();
        let known: usize = bundles.map(|bundle| bundle["trees"].as_array().unwrap().len()).sum();
        let there =
            self.volumes.iter().filter_map(|volume| std::fs::read_dir(format!("{}{TRASH}", volume.display())).ok());
        assert_eq!(there.map(Iterator::count).sum::<usize>(), known, "{list}");
    }
}

/// Everything that was done, the oldest first.
fn operations(ledger: &Ledger) -> BTreeSet<OperationId> {
    ledger.events(None, 1_000).unwrap().into_iter().filter_map(|event| event.operation).collect()
}

/// Whether an operation that came after so many others held connections back, or was to.
fn has_held(ledger: &Ledger, known: usize) -> bool {
    let steps = operations(ledger).into_iter().skip(known).flat_map(|id| ledger.operation(id).unwrap().unwrap().1);
    steps.into_iter().any(|step| step.name == "hold_routes")
}

/// A message without the ids of the test's own root and images.
fn without_ids(text: &str) -> String {
    let root = regex_lite::Regex::new(r"homeport-site-[0-9a-f]+").unwrap();
    let image = regex_lite::Regex::new(r"image `[0-9a-f]{12}`").unwrap();
    image.replace_all(&root.replace_all(text, "homeport-site-ROOT"), "image `IMAGE`").into_owned()
}

/// A trace in which the instance's present container, which a restart makes anew, has no id.
fn known(trace: &str, container: &str) -> String {
    match trace.strip_prefix("container ") {
        Some(id) if container.starts_with(id) => "the container of `site`".to_owned(),
        _ => trace.to_owned(),
    }
}

/// A digest of every name, byte, mode, owner and time of a tree.
fn hash(data: &Path) -> String {
    let tar = "tar --sort=name --numeric-owner --format=posix --pax-option=delete=atime,delete=ctime";
    tool("sh", &["-c", &format!("{tar} -C {} -cf - . | sha256sum", data.display())])
}

/// What the public address answers now.
fn ask(address: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_mins(1))).map_err(failed)?;
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    match answer.split_once("\r\n\r\n") {
        Some((_, body)) => Ok(body.to_owned()),
        None => Err(format!("no answer: {answer:?}")),
    }
}

/// What clients got who came one after the other.
#[derive(Debug, Default)]
struct Polls {
    answered: usize,
    wrong: Vec<Result<String, String>>,
    longest: Duration,
}

fn poll(address: &str, is_over: &AtomicBool) -> Polls {
    let mut polls = Polls::default();
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match ask(address) {
            Ok(page) if page == "first" => polls.answered += 1,
            other => polls.wrong.push(other),
        }
        polls.longest = polls.longest.max(begun.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    polls
}

impl Polls {
    fn judge(&self, clients: Clients) {
        if clients == Clients::Moved {
            return;
        }
        assert!(self.answered > 0 && self.wrong.is_empty(), "{self:?}");
        // A container that is stopped and one that takes its place take longer than this, whatever else the machine does.
        let has_waited = self.longest > Duration::from_millis(300);
        assert!(clients != Clients::Wait || has_waited, "nobody had to wait: {self:?}");
    }
}
