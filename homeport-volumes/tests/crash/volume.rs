//! Making a volume and taking it into use, with the power cut at any moment: the next attempt goes on from there, and a
//! generation that was given out never comes again.

use std::fs::{self, File};
use std::path::Path;

use homeport_volumes::{Checked, Known, Remembered, UnixSeconds, VolumeUuid, check};

use crate::disk::{Device, Kind};
use crate::effort;
use crate::place;
use crate::replay::{self, Scene, Workload};
use crate::stage::Stage;

const UUID: VolumeUuid = VolumeUuid::from_bytes([7; 16]);
const USES: usize = 4;
const LETTER: &[u8] = b"dear reader";

/// Makes the volume, then again and again takes it into use and writes a letter into it; a mark after each promise. What
/// the ledger knew at each mark.
fn work(root: &Path, device: &Device) -> Vec<Known> {
    let (machine, request) = place::request(root, "alice");
    let mut ledger = Vec::new();
    let creatable = match check(&machine, &request, None) {
        Ok(Checked::Create(creatable)) => creatable,
        other => panic!("{other:?}"),
    };
    let created = creatable.create(UUID, UnixSeconds::new(1)).unwrap();
    let mut remember = |known: Known| {
        device.mark();
        ledger.push(known);
    };
    let mut known = Known::of(created.ready.marker(), request.path.clone(), Remembered::Nothing);
    drop(created);
    remember(known.clone());
    for _ in 0..USES {
        let Ok(Checked::Attach(ready)) = check(&machine, &request, Some(&known)) else { panic!("refused") };
        known.generation = ready.begin_use().unwrap().generation();
        remember(known.clone());
        let letter = request.path.as_path().join(format!("data/{}", known.generation));
        fs::write(&letter, LETTER).unwrap();
        File::open(&letter).unwrap().sync_all().unwrap();
        File::open(letter.parent().unwrap()).unwrap().sync_all().unwrap();
        known.data = Remembered::Data;
        remember(known.clone());
    }
    ledger
}

/// Made once that was promised, accepted by a ledger that knows what was promised, and ahead of it by one at
/// most, and by one more for each judge that used it.
fn judge(scene: &Scene, ledger: &[Known]) -> Result<(), String> {
    let (machine, request) = place::request(scene.root, "alice");
    let known = scene.marks.checked_sub(1).map(|last| &ledger[last]);
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
            let written = scene.marks.saturating_sub(1) / 2;
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

struct Volume;

impl Workload for Volume {
    type Done = Vec<Known>;

    fn prepare(&self, root: &Path) {
        fs::create_dir(root.join("volumes")).unwrap();
    }

    fn work(&self, root: &Path, device: &Device) -> Vec<Known> {
        work(root, device)
    }

    fn judge(&self, scene: &Scene, ledger: &Vec<Known>) -> Result<(), String> {
        judge(scene, ledger)
    }
}

fn survives(stage: &Stage, kind: Kind) {
    replay::survives(stage, kind, &Volume, effort::images(150));
}

on_each_file_system!(made_and_used, survives);
