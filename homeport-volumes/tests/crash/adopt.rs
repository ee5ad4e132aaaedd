//! Adopting a person's directory, taking that back and adopting it for good, with the power cut at any moment: every entry
//! is what it was, and the directory is a volume, none, or on its way, which is brought to either end.

use std::path::Path;

use homeport_volumes::adopt::{Plan, adopt_directory, finish_adoption, plan, settle, take_back};
use homeport_volumes::{Checked, Machine, Request, TxId, UnixSeconds, VolumeUuid, check};

use crate::disk::Kind;
use crate::effort;
use crate::picture::full;
use crate::place;
use crate::replay;
use crate::stage::{Stage, run};
use crate::trees::{Picture, furnish};
use crate::workload::{Scene, Workload};

const FIRST: TxId = TxId::from_bytes([0xc1; 16]);
const SECOND: TxId = TxId::from_bytes([0xc2; 16]);
const UUID: VolumeUuid = VolumeUuid::from_bytes([0xc3; 16]);

/// One directory that is adopted, given back, and adopted for good.
pub(crate) struct Adoptions;

fn question(root: &Path) -> (Machine, Request) {
    place::operators(root, "carol")
}

/// All that is below a directory; of itself only what goes with its content to `data/`.
fn content(top: &Path) -> Picture {
    let mut lines = full(top, &[".homeport"]);
    for line in lines.iter_mut().filter(|line| line.starts_with(' ')) {
        let words: Vec<&str> = line.split(' ').collect();
        // Mode and owner; neither inode, nor time, nor links, which are another directory's.
        *line = words[1..3].join(" ");
    }
    lines
}

fn adopt(root: &Path, tx: TxId) -> Result<(), String> {
    let (machine, request) = question(root);
    match plan(&machine, &request, None, &mut |_| {}) {
        Ok(Plan::Directory(plan)) => adopt_directory(&request, &plan, tx, UUID, UnixSeconds::new(9))
            .map(drop)
            .map_err(|error| format!("{error:?}")),
        other => Err(format!("{other:?}")),
    }
}

impl Workload for Adoptions {
    type Known = Picture;

    const STEPS: usize = 4;

    fn prepare(&self, root: &Path) {
        let top = question(root).1.path.as_path().to_owned();
        std::fs::create_dir(&top).unwrap();
        furnish(&top, "carol");
        std::fs::create_dir(top.join("data")).unwrap();
        std::fs::write(top.join("data/own"), "not HomePort's").unwrap();
        run("chmod", &["0750", top.to_str().unwrap()]);
    }

    fn begin(&self, root: &Path) -> Picture {
        content(question(root).1.path.as_path())
    }

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        let path = question(root).1.path;
        let done = match step {
            0 => adopt(root, FIRST),
            1 => take_back(&path, FIRST).map(drop).map_err(|error| format!("{error:?}")),
            2 => adopt(root, SECOND),
            _ => settle(&path, SECOND).map_err(|error| format!("{error:?}")),
        };
        done.map(|()| String::new())
    }

    fn promise(&self, _root: &Path, _known: &mut Picture, _step: usize, _word: &str) {}

    fn judge(&self, scene: &Scene, known: &Picture) -> Result<(), String> {
        let (machine, request) = question(scene.root);
        let found = Found { machine, request, content: known };
        found.judge(scene.steps).map_err(|what| format!("after {} steps: {what}", scene.steps))
    }
}

/// The directory as it is found.
struct Found<'a> {
    machine: Machine,
    request: Request,
    content: &'a Picture,
}

impl Found<'_> {
    fn judge(&self, steps: usize) -> Result<(), String> {
        match check(&self.machine, &self.request, None) {
            Ok(Checked::Create(_)) => return Err("a new volume would be made in it".into()),
            Ok(Checked::Attach(_)) => self.is_volume()?,
            Err(_) => {}
        }
        match steps {
            0 => self.either_end(FIRST),
            1 => self.given_back(FIRST),
            2 => self.either_end(SECOND),
            _ => {
                finish_adoption(&self.request.path, SECOND).map_err(|error| format!("cannot go on: {error:?}"))?;
                self.is_volume()
            }
        }
    }

    /// An adoption that was not promised is finished if anything of it is written down, and goes back in any case.
    fn either_end(&self, tx: TxId) -> Result<(), String> {
        let finished = finish_adoption(&self.request.path, tx).map_err(|error| format!("cannot go on: {error:?}"))?;
        if finished.is_some() {
            self.is_volume()?;
        }
        self.given_back(tx)
    }

    fn given_back(&self, tx: TxId) -> Result<(), String> {
        let path = &self.request.path;
        take_back(path, tx).map_err(|error| format!("cannot be taken back: {error:?}"))?;
        if path.as_path().join(".homeport").exists() {
            return Err("something of HomePort's is left in it".into());
        }
        if content(path.as_path()) == *self.content { Ok(()) } else { Err("it is not what it was".into()) }
    }

    fn is_volume(&self) -> Result<(), String> {
        let ready = match check(&self.machine, &self.request, None) {
            Ok(Checked::Attach(ready)) => ready,
            other => return Err(format!("it is no volume: {other:?}")),
        };
        let data = self.request.path.as_path().join("data");
        if ready.marker().uuid == UUID && content(&data) == *self.content {
            return Ok(());
        }
        Err("its data is not what was in the directory".into())
    }
}

fn survive(stage: &Stage, kind: Kind) {
    replay::survives(stage, kind, &Adoptions, effort::images(150));
}

on_each_file_system!(adoptions, survive);
