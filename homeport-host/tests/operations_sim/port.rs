//! The port that simulated containers run: makes a host key at its first start, writes a file of its user at every start,
//! and remembers every byte, so that a test can ask for all of them later.

use std::collections::BTreeMap;
use std::fs;
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
    /// What a person has in a directory that may become a volume.
    pub(crate) own: Tree,
    /// The commands that were run in its containers, in their order, and which of them fail.
    pub(crate) commands: Vec<String>,
    pub(crate) failing: Vec<String>,
    starts: u32,
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
        let (port, engine, beside) = (self.clone(), engine.clone(), self.clone());
        SimImage::new(Digest::new([7; 32]), "homeport/shell:1.0.0".parse().unwrap())
            .label("io.homeport.manifest", manifest)
            .label("io.homeport.protocol", "1.0")
            .entrypoint(&["/port/init"])
            .file("/port/manifest.json", manifest)
            .program(move |boot| port.start(&engine, boot))
            .exec(move |_, spec, _| {
                let works = beside.deeds().command(spec.argv.get(2));
                ExecReply::code(if works { ExitCode::SUCCESS } else { ExitCode::new(9) })
            })
    }

    fn start(&self, engine: &SimEngine, boot: &mut Boot) -> Fate {
        let mut deeds = self.deeds();
        if boot.spec.args.first().is_some_and(|phase| phase == "command") {
            boot.pid = std::process::id();
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
            if other.id != boot.id && other.state.is_running() && shares {
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
            self.write(&keys, HOST_KEY)?;
        }
        self.write(&home, &format!("letter-{}", self.starts))?;
        if self.manner == Manner::Works {
            let socket = UnixDatagram::unbound().map_err(|error| error.to_string())?;
            let sent = socket.send_to(b"READY=1\n", run.join("notify"));
            sent.map_err(|error| format!("the host does not listen: {error}"))?;
        }
        Ok(())
    }

    fn write(&mut self, volume: &Path, name: &str) -> Result<(), String> {
        let bytes = format!("{name} of {} at start {}\n", uuid(volume), self.starts).repeat(3).into_bytes();
        fs::write(volume.join(name), &bytes).map_err(|error| format!("`{name}` cannot be written: {error}"))?;
        self.written.insert((uuid(volume), name.to_owned()), bytes);
        self.remember(&uuid(volume));
        Ok(())
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
        let is_known =
            found.is_empty() || found == self.own || self.history.values().flatten().any(|tree| *tree == found);
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
