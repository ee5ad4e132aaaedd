//! Making a volume and taking it into use, with the power cut at any moment: the next attempt goes on from there, and a
//! generation that was given out never comes again.

use std::fs::{self, File};
use std::path::Path;

use homeport_volumes::{Checked, Generation, Known, Remembered, UnixSeconds, VolumeUuid, check};

use crate::disk::Kind;
use crate::effort;
use crate::place;
use crate::replay;
use crate::stage::Stage;
use crate::workload::{Scene, Workload};

const UUID: VolumeUuid = VolumeUuid::from_bytes([7; 16]);
const LETTER: &[u8] = b"dear reader";

/// A volume is made, and then again and again taken into use and written to. What the ledger knows after each step.
pub(crate) struct Volume;

/// Made once that was promised, accepted by a ledger that knows what was promised, and ahead of it by one at
/// most, and by one more for each judge that used it.
fn judge(scene: &Scene, ledger: &[Known]) -> Result<(), String> {
    let (machine, request) = place::request(scene.root, "alice");
    let known = scene.steps.checked_sub(1).map(|last| &ledger[last]);
    match (check(&machine, &request, known), known) {
        (Ok(Checked::Create(creatable)), None) => {
            creatable.create(UUID, UnixSeconds::new(1)).map(drop).map_err(|error| format!("cannot be made: {error}"))
        }
        (Ok(Checked::Create(_)), Some(_)) => Err("it was made, and is gone".into()),
        (Ok(Checked::Attach(ready)), known) => {
            let found = ready.marker().generation.get();
            let promised = known.map_or(0, |known| known.generation.get());
            if found < promised || found > promised + 1 + scene.earlier {
                return Err(format!("generation {found}, promised was {promised}"));
            }
            let written = scene.steps.saturating_sub(1) / 2;
            for letter in 1..=written {
                match fs::read(request.path.as_path().join(format!("data/{letter}"))) {
                    Ok(found) if found == LETTER => {}
                    found => return Err(format!("letter {letter} of {written} is lost: {found:?}")),
                }
            }
            let next = ready.begin_use().map_err(|error| format!("cannot be used: {error}"))?.generation().get();
            if next == found + 1 { Ok(()) } else { Err(format!("{next} after {found}")) }
        }
        (Err(error), _) => Err(format!("refused: {error:?}")),
    }
}

impl Workload for Volume {
    type Known = Vec<Known>;

    const STEPS: usize = 9;

    fn prepare(&self, root: &Path) {
        fs::create_dir(root.join("volumes")).unwrap();
    }

    fn begin(&self, _root: &Path) -> Vec<Known> {
        Vec::new()
    }

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        let (machine, request) = place::request(root, "alice");
        let failed = |error: &dyn std::fmt::Debug| format!("{error:?}");
        let found = || check(&machine, &request, None);
        match step {
            0 => match found() {
                Ok(Checked::Create(creatable)) => {
                    creatable.create(UUID, UnixSeconds::new(1)).map_err(|error| failed(&error))?;
                }
                other => return Err(failed(&other)),
            },
            _ if step % 2 == 1 => match found() {
                Ok(Checked::Attach(ready)) => drop(ready.begin_use().map_err(|error| failed(&error))?),
                other => return Err(failed(&other)),
            },
            _ => {
                let data = request.path.as_path().join("data");
                let letter = data.join((step / 2).to_string());
                let write = || {
                    fs::write(&letter, LETTER)?;
                    File::open(&letter)?.sync_all()?;
                    File::open(&data)?.sync_all()
                };
                write().map_err(|error| failed(&error))?;
            }
        }
        Ok(String::new())
    }

    fn promise(&self, root: &Path, ledger: &mut Vec<Known>, step: usize, _word: &str) {
        let (machine, request) = place::request(root, "alice");
        let data = if step < 2 { Remembered::Nothing } else { Remembered::Data };
        let known = match ledger.last() {
            None => match check(&machine, &request, None) {
                Ok(Checked::Attach(ready)) => Known::of(ready.marker(), request.path.clone(), data),
                other => panic!("{other:?}"),
            },
            Some(known) => {
                let generation = Generation::new(u64::try_from(step.div_ceil(2)).unwrap());
                Known { generation, data, ..known.clone() }
            }
        };
        ledger.push(known);
    }

    fn judge(&self, scene: &Scene, ledger: &Vec<Known>) -> Result<(), String> {
        judge(scene, ledger)
    }
}

fn survives(stage: &Stage, kind: Kind) {
    replay::survives(stage, kind, &Volume, effort::images(150));
}

on_each_file_system!(made_and_used, survives);
