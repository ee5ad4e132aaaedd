//! Owns the judgement of an instance after something was cut off: everything has to be of one version, and everything that
//! was confirmed has to be there. Looks only, but for one note that it writes to prove that the address works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{PATIENCE, about};
use super::journal::{Journal, Stand};
use super::port::{Age, Variant};
use super::subject::{NAME, Subject};
use crate::world::World;

/// What the instance is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Runs,
    Stopped,
}

/// Whether notes that were confirmed while an operation was cut off may be in the trash instead: it was taken back, or
/// both versions had the volume and its format changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    IsThere,
    MayBeInTrash,
}

impl Meanwhile {
    /// What holds after a cut here.
    pub(super) const fn after(variant: Variant, stand: &Stand) -> Self {
        match variant {
            Variant::Moved => Self::MayBeInTrash,
            Variant::Alone if stand.led => Self::MayBeInTrash,
            Variant::Alone | Variant::Beside => Self::IsThere,
        }
    }
}

/// The end of a daemon's log, for a message.
pub(super) fn log_of(world: &World) -> String {
    let log = fs::read_to_string(world.root().join("state/daemon.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    format!("  the daemon's log:\n    {}", lines[lines.len().saturating_sub(15)..].join("\n    "))
}

/// Looks again and again for at most `patience`. What is right: after how long, and how many notes are in the trash.
pub(super) fn judge(
    subject: &mut Subject<'_>,
    wanted: Wanted,
    meanwhile: Meanwhile,
    patience: Duration,
) -> Result<(Duration, usize), Vec<String>> {
    let begun = Instant::now();
    loop {
        match look(subject, wanted, meanwhile) {
            Ok(put_aside) => {
                let there = std::mem::take(&mut subject.meanwhile);
                subject.kept.extend(there.into_iter().filter(|name| !put_aside.contains(name)));
                return Ok((begun.elapsed(), put_aside.len()));
            }
            Err(wrongs) if begun.elapsed() >= patience => return Err(wrongs),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// One look; the notes that are in the trash instead of where they were written.
fn look(subject: &mut Subject<'_>, wanted: Wanted, meanwhile: Meanwhile) -> Result<BTreeSet<String>, Vec<String>> {
    let did = subject.world.run(&["--json", "status", NAME]);
    let Ok(mut status) = serde_json::from_str::<Value>(&did.out) else {
        return Err(vec![format!("`homeport status` ended with {}: {}", did.code, did.err)]);
    };
    let status = status["instance"].take();
    let age = Age::of(status["version"].as_str().unwrap());
    let mut wrongs = operations(subject, &status, wanted);
    wrongs.extend(containers(subject, &status, wanted));
    if wanted == Wanted::Runs {
        wrongs.extend(address(subject, age));
    }
    wrongs.extend(leftovers(subject));
    let put_aside = data(subject, &status, age, meanwhile, &mut wrongs);
    if wrongs.is_empty() { Ok(put_aside) } else { Err(wrongs) }
}

/// Nothing is open or stuck, and it is said so.
fn operations(subject: &Subject<'_>, status: &Value, wanted: Wanted) -> Vec<String> {
    let mut wrongs = Journal::of(subject.world).unfinished();
    let state = if wanted == Wanted::Runs { "ready" } else { "stopped" };
    if status["state"] != state {
        wrongs.push(format!("`homeport status` says `{}`: wanted `{state}`", status["state"]));
    }
    wrongs
}

/// The container that the ledger has is there and is of the version that the ledger has, and beside it only those that retire.
fn containers(subject: &Subject<'_>, status: &Value, wanted: Wanted) -> Vec<String> {
    let mut wrongs = Vec::new();
    let journal = Journal::of(subject.world);
    let record = journal.ledger().instance(&NAME.parse().unwrap()).unwrap().unwrap();
    let retiring = journal.ledger().retiring(&record.name).unwrap();
    let root = subject.world.root_id().unwrap();
    let filter = format!("label=io.homeport.root={root}");
    let list = ["ps", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.ID}} {{.State}} {{.Names}}"];
    let text = subject.world.docker(&list);
    let there: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let own = record.container.as_ref().map(|id| id.as_str().to_owned());
    for (id, words) in &there {
        let is_known = own.as_deref() == Some(id) || retiring.iter().any(|one| one.container.as_str() == *id);
        let runs = words.starts_with("running");
        if !is_known {
            wrongs.push(format!("container {id} ({words}) is nobody's"));
        }
        if runs && (wanted == Wanted::Stopped || !is_known) {
            wrongs.push(format!("container {id} ({words}) runs"));
        }
    }
    if !subject.variant.overlaps() && !retiring.is_empty() {
        wrongs.push("a container retires though only one may have the volume".to_owned());
    }
    if wanted == Wanted::Stopped {
        return wrongs;
    }
    let own = own.unwrap_or_default();
    if there.get(own.as_str()).is_some_and(|words| words.starts_with("running")) {
        let image = subject.world.docker(&["inspect", "--format", "{{.Image}}", &own]);
        if image.as_str() != status["image"].as_str().unwrap() {
            wrongs.push(format!("the container is of image {image}: the ledger has {}", status["image"]));
        }
    } else {
        wrongs.push(format!("the ledger's container {own} does not run: {there:?}"));
    }
    wrongs
}

/// The public address answers as this version, and takes a note.
fn address(subject: &mut Subject<'_>, age: Age) -> Vec<String> {
    let wanted = (age.version().to_owned(), subject.variant.format(age));
    match about(&subject.address, PATIENCE) {
        Ok(found) if found == wanted => {}
        Ok(found) => return vec![format!("the public address answers as {found:?}: wanted {wanted:?}")],
        Err(error) => return vec![format!("the public address does not answer: {error}")],
    }
    let name = format!("after-{}", subject.tried.len());
    match subject.put(&name, &format!("this is \"{name}\"")) {
        Ok(()) => Vec::new(),
        Err(error) => vec![format!("the public address takes no note: {error}")],
    }
}

/// Everything that was confirmed is there, in the version's format, and nothing else.
fn data(
    subject: &Subject<'_>,
    status: &Value,
    age: Age,
    meanwhile: Meanwhile,
    wrongs: &mut Vec<String>,
) -> BTreeSet<String> {
    let format = subject.variant.format(age);
    let marker = fs::read(subject.volume().join(".homeport/marker.json")).unwrap_or_default();
    let marker: Value = serde_json::from_slice(&marker).unwrap_or_default();
    for (who, found) in [("marker", &marker["format"]), ("ledger", &status["volumes"][0]["format"])] {
        if *found != format {
            wrongs.push(format!("the {who} has format {found}: version {} has {format}", age.version()));
        }
    }
    let mut found = files(&subject.volume().join("data"));
    let mut put_aside = BTreeSet::new();
    for (name, text) in &subject.tried {
        let (file, bytes) = Age::note(format, name, text);
        // Of a note whose writing was cut off there may be a part that is not its own yet.
        found.remove(&format!("{name}.part"));
        match found.remove(&file) {
            Some(there) if there == bytes => {}
            Some(there) => wrongs.push(format!("`{file}` holds {:?}", String::from_utf8_lossy(&there))),
            None if subject.kept.contains(name) => wrongs.push(format!("`{file}`, which was confirmed, is gone")),
            None if subject.meanwhile.contains(name) => {
                if meanwhile == Meanwhile::MayBeInTrash && is_in_trash(subject, name, text) {
                    put_aside.insert(name.clone());
                } else {
                    wrongs.push(format!("`{file}`, which was confirmed meanwhile, is gone"));
                }
            }
            None => {}
        }
    }
    wrongs.extend(found.into_keys().map(|name| format!("`{name}` is in the volume and is nobody's")));
    put_aside
}

/// Whether a tree that was taken out has the note, in whatever format.
fn is_in_trash(subject: &Subject<'_>, name: &str, text: &str) -> bool {
    let trash = fs::read_dir(subject.volume().join(".homeport/trash"));
    trash.into_iter().flatten().filter_map(Result::ok).any(|tree| {
        [1, 2].into_iter().any(|format| {
            let (file, bytes) = Age::note(format, name, text);
            fs::read(tree.path().join("data").join(file)).is_ok_and(|found| found == bytes)
        })
    })
}

/// What only an operation that goes on may have.
fn leftovers(subject: &Subject<'_>) -> Vec<String> {
    let root = subject.world.root();
    let journal = Journal::of(subject.world);
    let record = journal.ledger().instance(&NAME.parse().unwrap()).unwrap().unwrap();
    let slots = 1 + journal.ledger().retiring(&record.name).unwrap().len();
    let mut wrongs = Vec::new();
    let home = subject.volume().join(".homeport");
    for place in [root.join("state"), root.join("run"), home.clone()] {
        if place.join("room").exists() {
            wrongs.push(format!("room is still set aside in `{}`", place.display()));
        }
    }
    for place in [root.join("run/frozen"), root.join("scratch"), home.join("staging")] {
        wrongs.extend(names(&place).into_iter().map(|name| format!("`{}` has `{name}`", place.display())));
    }
    // `probe` and `marker.json.new` hold nothing, and whoever checks or writes next takes their place.
    let run = names(&root.join("run/instances").join(NAME));
    if run.len() > slots {
        wrongs.push(format!("run directories {run:?} for {slots} containers"));
    }
    let mounts: BTreeSet<String> = subject.world.mounts().into_iter().collect();
    wrongs.extend(mounts.difference(&subject.mounts).map(|point| format!("`{point}` is mounted")));
    wrongs
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    names(dir).into_iter().map(|name| (name.clone(), fs::read(dir.join(name)).unwrap_or_default())).collect()
}
