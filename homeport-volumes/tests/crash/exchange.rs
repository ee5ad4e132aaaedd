//! Restoring, undoing, taking back and discarding, with the power cut at any moment: live is always exactly the old tree
//! or exactly the new one, what was promised stays, and no tree that somebody used is ever lost.

use std::fs;
use std::path::Path;

use homeport_core::unit::Format;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Devices, Keeping, Recovered, Wanted, discard, exchange, exchange_back, hold_for_restore, leftovers, prepare,
    recover, settle, stage_trashed,
};
use homeport_volumes::trash::{TrashState, list};
use homeport_volumes::{Checked, Held, Known, Remembered, TxId, UnixSeconds, check};

use crate::disk::Kind;
use crate::effort;
use crate::memory::Memory;
use crate::place;
use crate::replay;
use crate::stage::Stage;
use crate::trees::{Promises, Trees, furnish};
use crate::workload::{Scene, Workload};

const FIRST: TxId = TxId::from_bytes([0xa1; 16]);
const UNDO: TxId = TxId::from_bytes([0xa2; 16]);
const TAKEN_BACK: TxId = TxId::from_bytes([0xa3; 16]);
const DISCARDED: TxId = TxId::from_bytes([0xa4; 16]);

const KEEPING: Keeping = Keeping { entries: None, bytes: None, since: UnixSeconds::new(9), until: None };

/// A restore, its undoing, one that is taken back and one that is given up.
pub(crate) struct Restores;

/// A snapshot of a few files, some of them in pieces.
fn snapshot(word: &str) -> Memory {
    let piece = word.repeat(3000);
    Memory::new()
        .dir("mail")
        .file("mail/1", word.as_bytes())
        .file("mail/2", b"second letter")
        .hard_link("mail/3", "mail/1")
        .symlink("newest", b"mail/2")
        .pieces("sparse", 1 << 20, &[(0, b"begin"), (500_000, piece.as_bytes())])
}

fn hold(root: &Path, known: Option<&Known>) -> Result<Held, String> {
    let (machine, request) = place::request(root, "alice");
    hold_for_restore(&machine, &request, known).map_err(|error| format!("cannot be held: {error:?}"))
}

impl Workload for Restores {
    type Known = (Known, Promises);

    const STEPS: usize = 9;

    fn prepare(&self, root: &Path) {
        let (machine, request) = place::request(root, "alice");
        place::make(&machine, &request);
        furnish(&place::data(root, "alice"), "old");
    }

    fn begin(&self, root: &Path) -> (Known, Promises) {
        let (machine, request) = place::request(root, "alice");
        let Ok(Checked::Attach(ready)) = check(&machine, &request, None) else { panic!("refused") };
        let known = Known::of(ready.marker(), request.path.clone(), Remembered::Data);
        (known, Promises::new(request.path.as_path()))
    }

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        let mut held = hold(root, None)?;
        let wanted = Wanted { format: Format::new(1), devices: Devices::Refuse };
        let prepare = |held: &mut Held, tx, word| prepare(held, tx, wanted, &snapshot(word), &Silent).map(drop);
        let done = match step {
            0 => prepare(&mut held, FIRST, "new"),
            1 => exchange(&mut held, FIRST, &KEEPING).map(drop),
            2 => settle(&mut held, FIRST).map(drop),
            3 => stage_trashed(&mut held, FIRST, UNDO).map(drop),
            4 => exchange(&mut held, UNDO, &KEEPING).map(drop),
            5 => settle(&mut held, UNDO).map(drop),
            6 => prepare(&mut held, TAKEN_BACK, "other")
                .and_then(|()| exchange(&mut held, TAKEN_BACK, &KEEPING).map(drop)),
            7 => exchange_back(&mut held, TAKEN_BACK).map(drop),
            _ => prepare(&mut held, DISCARDED, "unused").and_then(|()| discard(&mut held, DISCARDED).map(drop)),
        };
        done.map(|()| String::new()).map_err(|error| format!("{error:?}"))
    }

    fn promise(&self, root: &Path, (_, promises): &mut (Known, Promises), step: usize, _word: &str) {
        let volume = place::request(root, "alice").1.path;
        // Once a tree was live and is not any more, it is kept.
        let keeps = matches!(step, 1 | 4 | 6 | 7);
        promises.next(volume.as_path(), keeps);
    }

    fn judge(&self, scene: &Scene, (known, promises): &(Known, Promises)) -> Result<(), String> {
        let (machine, request) = place::request(scene.root, "alice");
        let volume = request.path.as_path().to_owned();
        promises.judge(&Trees::of(&volume), scene.steps).map_err(|what| format!("before recovery, {what}"))?;

        let mut held = hold(scene.root, Some(known))?;
        let said = |error| format!("cannot recover: {error:?}");
        if let Recovered::Exchanged(tx) = recover(&mut held).map_err(said)? {
            settle(&mut held, tx).map_err(said)?;
        }
        for tx in leftovers(&held).map_err(said)? {
            discard(&mut held, tx).map_err(said)?;
        }
        if recover(&mut held).map_err(said)? != Recovered::Nothing {
            return Err("there is still something to recover".into());
        }
        drop(held);

        let trees = Trees::of(&volume);
        promises.judge(&trees, scene.steps).map_err(|what| format!("after recovery, {what}"))?;
        if fs::read_dir(volume.join(".homeport/staging")).is_ok_and(|mut list| list.next().is_some()) {
            return Err("something is still staged".into());
        }
        let data_root = scene.root.join("volumes").as_path().try_into().unwrap();
        let listing =
            list(&data_root, std::slice::from_ref(&request.path)).map_err(|error| format!("no list: {error:?}"))?;
        let whole = listing.trees.iter().all(|tree| tree.state == TrashState::Whole);
        if !whole || !listing.faults.is_empty() || listing.trees.len() != trees.beside.len() {
            return Err(format!("the trash is not whole: {listing:?}"));
        }
        match check(&machine, &request, Some(known)) {
            Ok(Checked::Attach(_)) => Ok(()),
            other => Err(format!("cannot be started: {other:?}")),
        }
    }
}

fn survive(stage: &Stage, kind: Kind) {
    replay::survives(stage, kind, &Restores, effort::images(200));
}

on_each_file_system!(restores, survive);
