//! The port that simulated containers run: makes a host key at its first start, writes a file of its user at every start,
//! and remembers every byte, so that a test can ask for all of them later.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homeport_core::digest::Digest;
use homeport_host::engine::sim::{Boot, ExecReply, Fate, OnStop, SimImage};
use homeport_host::engine::{ExitCode, SimEngine};
use serde_json::Value;

/// The manifest, in label and file.
pub(crate) const MANIFEST: &str = r#"{"protocol":"1.0",
"port":{"id":"shell","version":"1.0.0","title":"A shell"},
"config":{"motd":{"type":"string","default":"hello"},"token":{"type":"string","secret":true}},
"volumes":{
"home":{"path":"/home/user","format":1,"uid":1000,"gid":1000,"mode":"0750","min_free_bytes":4096,"min_free_inodes":4},
"hostkeys":{"path":"/var/lib/hostkeys","format":1,"uid":0,"gid":0,"mode":"0700","min_free_bytes":4096,"min_free_inodes":4}},
"endpoints":{"ssh":{"port":2222,"protocol":"ssh","exposure":"public","default_public":"random"}},
"resources":{"memory_min_bytes":33554432,"memory_recommended_bytes":268435456,"pids_max":512,"nofile":4096},
"health":{"ready_seconds":5},
"services":{"sshd":{"critical":true,"uid":0}}}"#;

/// The name of the file that the port makes once in its life.
pub(crate) const HOST_KEY: &str = "host_key";

/// Which of the errors that a look found are left out of what init notes at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Omits {
    /// None.
    #[default]
    Nothing,
    /// The last one, which is noted elsewhere.
    FromItsEnd,
}

/// How the port behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It gets ready and runs until it is stopped.
    #[default]
    Works,
    /// It writes its data and ends at once.
    Crashes,
}

/// What the port did in all its containers.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// Every file that it wrote, by the volume's uuid and the file's name.
    pub(crate) written: BTreeMap<(String, String), Vec<u8>>,
    /// The configured greeting that each container found, by container.
    pub(crate) greetings: BTreeMap<String, String>,
    /// What a container found that must never be.
    pub(crate) wrongs: Vec<String>,
    /// How the next starts go.
    pub(crate) manner: Manner,
    /// Whether volumes may be what they were at any earlier time, as after a restore.
    pub(crate) times: Times,
    /// Every tree that each volume ever was, by uuid.
    history: BTreeMap<String, Vec<Tree>>,
    /// What migrations made of copies.
    migrated: Vec<Tree>,
    /// What a person has in a directory that may become a volume.
    pub(crate) own: Tree,
    /// Whether two containers may have the volumes at once.
    pub(crate) sharing: Sharing,
    /// Whether a look at everything finds something wrong.
    pub(crate) unfit: bool,
    /// A look finds, last, something wrong that does not fit beside the rest into what init notes at its end.
    pub(crate) omits: Omits,
    /// How the next steps of migrations go.
    pub(crate) migrating: Migrating,
    /// The commands that were run in its containers, in their order, and which of them fail.
    pub(crate) commands: Vec<String>,
    pub(crate) failing: Vec<String>,
    /// What happens beside the next run of a command.
    pub(crate) beside: Option<(String, Beside)>,
    /// Whether the next command finds its home pulled away, and ends well all the same.
    pub(crate) pulled_away: bool,
    starts: u32,
}

/// Whether two containers of one instance may have its volumes at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sharing {
    #[default]
    No,
    Yes,
}

/// How a step of a migration goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Migrating {
    /// It does its work.
    #[default]
    Works,
    /// It changes half of the data and fails.
    FailsHalfWay,
    /// It says that it has done its work, and has not.
    Lies,
    /// It writes until the disk is full, and fails.
    FillsTheDisk,
}

/// The file that data of format 2 has and data of format 1 need not have.
pub(crate) const SECOND_KEY: &str = "second_key";

/// Something that happens while a command runs.
pub(crate) struct Beside(pub(crate) Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
}

/// The files of one volume, by name.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// What a volume may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Times {
    /// What it was last, and nothing else.
    #[default]
    Present,
    /// Any tree that it ever was as a whole; that is the present one from then on.
    Any,
}

/// A handle to the port; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Port(Arc<Mutex<Deeds>>);

impl Port {
    pub(crate) fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image of the port. Its containers look at the engine to see whether they are alone.
    pub(crate) fn image(&self, engine: &SimEngine, manifest: &str) -> SimImage {
        let read: Value = serde_json::from_str(manifest).unwrap();
        let version = read["port"]["version"].as_str().unwrap().to_owned();
        let number = version.bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(3).wrapping_add(byte));
        let (port, engine, beside) = (self.clone(), engine.clone(), self.clone());
        let id = if version == "1.0.0" { 7 } else { number };
        SimImage::new(Digest::new([id; 32]), format!("homeport/shell:{version}").parse().unwrap())
            .label("io.homeport.manifest", manifest)
            .label("io.homeport.protocol", "1.0")
            .entrypoint(&["/port/init"])
            .file("/port/manifest.json", manifest)
            .program({
                let manifest = manifest.to_owned();
                move |boot| port.start(&engine, &manifest, boot)
            })
            .exec(move |_, spec, _| {
                let works = beside.deeds().command(spec.argv.get(2));
                let is_now = |(name, _): &mut (String, Beside)| spec.argv.get(2) == Some(name);
                let happens = beside.deeds().beside.take_if(is_now);
                if let Some((_, Beside(happens))) = happens {
                    happens();
                }
                ExecReply::code(if works { ExitCode::SUCCESS } else { ExitCode::new(9) })
            })
    }

    fn start(&self, engine: &SimEngine, manifest: &str, boot: &mut Boot) -> Fate {
        let mut deeds = self.deeds();
        boot.pid = std::process::id();
        match boot.spec.args.first().map(String::as_str) {
            Some("check") => return Fate::Exits(ExitCode::new(deeds.look(manifest, boot))),
            Some("migrate") => return Fate::Exits(ExitCode::new(deeds.migrate(boot))),
            _ => {}
        }
        if boot.spec.args.first().is_some_and(|phase| phase == "command") {
            boot.pid = std::process::id();
            if std::mem::take(&mut deeds.pulled_away) {
                let home = boot.spec.binds.iter().find(|bind| bind.target.to_string() == "/home/user").unwrap();
                rustix::mount::unmount(home.source.as_path(), rustix::mount::UnmountFlags::DETACH).unwrap();
            }
            let works = deeds.command(boot.spec.args.get(1));
            return Fate::Exits(if works { ExitCode::SUCCESS } else { ExitCode::new(9) });
        }
        deeds.starts += 1;
        boot.pid = std::process::id();
        if let Err(wrong) = deeds.live(engine, boot) {
            deeds.wrongs.push(wrong);
        }
        match deeds.manner {
            Manner::Works => Fate::Runs(OnStop::Exits(ExitCode::SUCCESS)),
            Manner::Crashes => Fate::Exits(ExitCode::new(70)),
        }
    }
}

/// Whether there was room for what the port wrote; where there is none it runs and is never ready.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    Enough,
    None,
}

impl Deeds {
    /// One start; the error is something that a container must never find.
    fn live(&mut self, engine: &SimEngine, boot: &Boot) -> Result<(), String> {
        let bind = |target: &str| -> Result<PathBuf, String> {
            let found = boot.spec.binds.iter().find(|bind| bind.target.to_string() == target);
            found.map(|bind| bind.source.as_path().to_owned()).ok_or_else(|| format!("nothing at `{target}`"))
        };
        let (run, home, keys) = (bind("/run/port")?, bind("/home/user")?, bind("/var/lib/hostkeys")?);
        for other in engine.containers() {
            let shares = other.mounts.iter().any(|mount| Path::new(&mount.source) == home);
            if other.id != boot.id && other.state.is_running() && shares && self.sharing == Sharing::No {
                return Err(format!("`{}` runs on the same volume as `{}`", other.name, boot.spec.name));
            }
        }
        let config = json(&run.join("config.json"))?;
        let greeting = config["motd"].as_str().unwrap_or_default().to_owned();
        self.greetings.insert(boot.id.to_string(), greeting);
        let expected = json(&run.join("volumes.json"))?;
        for (name, source) in [("home", &home), ("hostkeys", &keys)] {
            if expected[name]["uuid"].as_str() != Some(&uuid(source)) {
                return Err(format!("`{name}` is mounted from `{}`, and init is told {expected}", source.display()));
            }
            self.travel(source)?;
            self.verify(source)?;
        }
        let has_key = keys.join(HOST_KEY).exists();
        if !has_key {
            if expected["hostkeys"]["new"] != Value::Bool(true) {
                return Err("there is no host key, and the volume is not new".to_owned());
            }
            if self.write(&keys, HOST_KEY)? == Room::None {
                return Ok(());
            }
        }
        let room = self.write(&home, &format!("letter-{}", self.starts))?;
        if self.manner == Manner::Works && room == Room::Enough {
            let socket = UnixDatagram::unbound().map_err(|error| error.to_string())?;
            let sent = socket.send_to(b"READY=1\n", run.join("notify"));
            sent.map_err(|error| format!("the host does not listen: {error}"))?;
        }
        Ok(())
    }

    /// Looks at everything, changes nothing, and says which volumes are not as this version needs them.
    fn look(&mut self, manifest: &str, boot: &Boot) -> i64 {
        let manifest = homeport_core::manifest::parse(manifest.as_bytes()).unwrap();
        let bind = |target: &str| {
            let found = boot.spec.binds.iter().find(|bind| bind.target.to_string() == target).unwrap();
            assert!(target == "/run/port" || found.access == homeport_host::engine::Access::ReadOnly, "{target}");
            found.source.as_path().to_owned()
        };
        let run = bind("/run/port");
        let expected = json(&run.join("volumes.json")).unwrap();
        let (mut code, mut errors) = (0, Vec::new());
        for (name, volume) in &manifest.volumes {
            let data = bind(&volume.path);
            let format = expected[name.as_str()]["format"].as_u64().unwrap();
            let needs_key = name.as_str() == "hostkeys" && volume.format.get() == 2 && data.join(HOST_KEY).exists();
            let (found, message) = match () {
                () if self.unfit => (78, "a value that this version does not take"),
                () if format > volume.format.get().into() => (80, "newer"),
                () if format < volume.min_format.get().into() => (81, "older"),
                () if needs_key && !data.join(SECOND_KEY).exists() => (65, "there is no second key"),
                () => continue,
            };
            code = code.max(found);
            errors.push(serde_json::json!({
                "hp": 1, "ts": "2026-01-01T00:00:00Z", "phase": "check", "level": "error", "code": "X-shell-001",
                "subject": format!("volumes.{name}"), "message": message, "expected": "", "actual": "", "remedy": "",
                "retry": "never",
            }));
        }
        if code != 0 {
            let omitted = self.omit(&errors, &run);
            let said =
                serde_json::json!({"hp": 1, "exit": code, "phase": "check", "errors": errors, "omitted": omitted});
            fs::write(run.join("termination.json"), said.to_string()).unwrap();
        }
        code
    }

    /// Tells of one more error, as far as it does; how many did not fit.
    fn omit(&self, errors: &[Value], run: &Path) -> u32 {
        let Some(first) = errors.first().filter(|_| self.omits != Omits::Nothing) else { return 0 };
        let mut last = first.clone();
        last["subject"] = "config.motd".into();
        if self.omits == Omits::FromItsEnd {
            let lines = errors.iter().chain([&last]).map(|error| format!("{error}\n"));
            fs::write(run.join("diag.jsonl"), lines.collect::<String>()).unwrap();
        }
        1
    }

    /// Takes a copy from one format to the next: format 2 has a second key, which the way down keeps.
    fn migrate(&mut self, boot: &Boot) -> i64 {
        if !boot.spec.env.contains_key("HOMEPORT_SNAPSHOT") || boot.spec.binds.len() != 2 {
            self.wrongs.push(format!("a migration was run without a snapshot, or with {:?}", boot.spec.binds));
        }
        let target = "/var/lib/hostkeys";
        let data = boot.spec.binds.iter().find(|bind| bind.target.to_string() == target).unwrap();
        let data = data.source.as_path().to_owned();
        let is_up = boot.spec.args.ends_with(&["--to".to_owned(), "2".to_owned()]);
        match self.migrating {
            Migrating::Lies => return 0,
            Migrating::FailsHalfWay => {
                fs::write(data.join(HOST_KEY), "half").unwrap();
                return 83;
            }
            Migrating::FillsTheDisk => {
                let mut file = fs::File::create(data.join("pages")).unwrap();
                // The last bytes too: what is left is less than a page.
                for part in [1 << 16, 1] {
                    while file.write_all(&vec![b'p'; part]).is_ok() {}
                }
                return 83;
            }
            Migrating::Works => {}
        }
        if is_up && !data.join(SECOND_KEY).exists() {
            let bytes = format!("{SECOND_KEY} of {}\n", uuid(&data)).into_bytes();
            fs::write(data.join(SECOND_KEY), bytes).unwrap();
        }
        // What comes of it is one of the trees that the volume may be. As long as it never was, it may be given up.
        self.migrated.push(tree(&data).unwrap());
        0
    }

    fn write(&mut self, volume: &Path, name: &str) -> Result<Room, String> {
        let bytes = format!("{name} of {} at start {}\n", uuid(volume), self.starts).repeat(3).into_bytes();
        if let Err(error) = fs::write(volume.join(name), &bytes) {
            // As a port should: half a letter is worse than none.
            fs::remove_file(volume.join(name)).ok();
            let is_full = error.kind() == std::io::ErrorKind::StorageFull;
            return if is_full { Ok(Room::None) } else { Err(format!("`{name}` cannot be written: {error}")) };
        }
        self.written.insert((uuid(volume), name.to_owned()), bytes);
        self.remember(&uuid(volume));
        Ok(Room::Enough)
    }

    /// Takes the volume's present tree into its history.
    pub(crate) fn remember(&mut self, uuid: &str) {
        let own = self.written.iter().filter(|((volume, _), _)| volume == uuid);
        let tree: Tree = own.map(|((_, name), bytes)| (name.clone(), bytes.clone())).collect();
        let history = self.history.entry(uuid.to_owned()).or_insert_with(|| vec![Tree::new()]);
        if !history.contains(&tree) {
            history.push(tree);
        }
    }

    /// Something else than the port made the volume's tree this one.
    pub(crate) fn set(&mut self, uuid: &str, tree: &Tree) {
        self.written.retain(|(volume, _), _| volume != uuid);
        self.written.extend(tree.iter().map(|(name, bytes)| ((uuid.to_owned(), name.clone()), bytes.clone())));
        self.remember(uuid);
    }

    /// Where volumes may be what they were, what is found becomes the present one, if it ever was.
    fn travel(&mut self, data: &Path) -> Result<(), String> {
        self.travel_as(&uuid(data), data)
    }

    pub(crate) fn travel_as(&mut self, uuid: &str, data: &Path) -> Result<(), String> {
        if self.times == Times::Present {
            return Ok(());
        }
        let found = tree(data)?;
        // What another volume of that name was may be restored into this one.
        let is_known = found.is_empty()
            || found == self.own
            || self.migrated.contains(&found)
            || self.history.values().flatten().any(|tree| *tree == found);
        if !is_known {
            return Err(format!("{uuid} holds {:?}, which it never did", found.keys()));
        }
        self.set(uuid, &found);
        Ok(())
    }

    /// Every byte that was written to the volume at `data` is there.
    pub(crate) fn verify(&self, data: &Path) -> Result<(), String> {
        self.verify_as(&uuid(data), data)
    }

    /// Every byte that was written to the volume `uuid`, whose data is at `data`, is there, and nothing else.
    pub(crate) fn verify_as(&self, uuid: &str, data: &Path) -> Result<(), String> {
        let own = self.written.iter().filter(|((volume, _), _)| volume == uuid);
        let mut names: Vec<_> = Vec::new();
        for ((_, name), bytes) in own {
            let found = fs::read(data.join(name)).map_err(|error| format!("`{name}` of {uuid} is gone: {error}"))?;
            if found != *bytes {
                return Err(format!("`{name}` of {uuid} is not what was written"));
            }
            names.push(name.clone());
        }
        let found = fs::read_dir(data).map_err(|error| format!("`{}`: {error}", data.display()))?;
        let mut found: Vec<_> =
            found.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
        found.sort();
        if found == names { Ok(()) } else { Err(format!("{uuid} holds {found:?}, and {names:?} was written")) }
    }

    /// Runs a command; whether it works.
    fn command(&mut self, name: Option<&String>) -> bool {
        let name = name.cloned().unwrap_or_default();
        let works = !self.failing.contains(&name);
        self.commands.push(name);
        works
    }

    /// Every content that was ever written.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.history.values().flatten().flat_map(BTreeMap::values)
    }

    /// Whether anything was ever written to the volume.
    pub(crate) fn wrote_to(&self, uuid: &str) -> bool {
        self.written.keys().any(|(volume, _)| volume == uuid)
    }
}

/// The files in a directory.
pub(crate) fn tree(data: &Path) -> Result<Tree, String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", data.display());
    let mut tree = Tree::new();
    for entry in fs::read_dir(data).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        tree.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).map_err(failed)?);
    }
    Ok(tree)
}

/// A volume is mounted below its own uuid.
fn uuid(mounted: &Path) -> String {
    mounted.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn json(path: &Path) -> Result<Value, String> {
    let bytes = fs::read(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("`{}`: {error}", path.display()))
}
