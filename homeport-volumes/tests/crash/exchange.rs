//! Restoring, undoing, taking back and discarding, with the power cut at any moment: live is always exactly the old tree
//! or exactly the new one, what was promised stays, and no tree that somebody used is ever lost.

use std::fs;
use std::path::Path;

use homeport_core::unit::Format;
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{
    Back, Devices, Discarded, Exchange, Keeping, Recovered, Wanted, discard, exchange, exchange_back, hold_for_restore,
    leftovers, prepare, recover, settle, stage_trashed,
};
use homeport_volumes::trash::{TrashState, list};
use homeport_volumes::{Checked, Held, Known, Remembered, TxId, UnixSeconds, check};

use crate::disk::{Device, Kind};
use crate::effort;
use crate::memory::Memory;
use crate::place;
use crate::replay::{self, Scene, Workload};
use crate::stage::Stage;
use crate::trees::{Promises, Trees, furnish};

const FIRST: TxId = TxId::from_bytes([0xa1; 16]);
const UNDO: TxId = TxId::from_bytes([0xa2; 16]);
const TAKEN_BACK: TxId = TxId::from_bytes([0xa3; 16]);
const DISCARDED: TxId = TxId::from_bytes([0xa4; 16]);

const KEEPING: Keeping = Keeping { entries: None, bytes: None, since: UnixSeconds::new(9), until: None };

/// A restore, its undoing, one that is taken back and one that is given up.
struct Restores;

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
    type Done = (Known, Promises);

    fn prepare(&self, root: &Path) {
        let (machine, request) = place::request(root, "alice");
        place::make(&machine, &request);
        furnish(&place::data(root, "alice"), "old");
    }

    fn work(&self, root: &Path, device: &Device) -> (Known, Promises) {
        let (machine, request) = place::request(root, "alice");
        let volume = request.path.as_path().to_owned();
        let mut promises = Promises::new(&volume);
        let Ok(Checked::Attach(ready)) = check(&machine, &request, None) else { panic!("refused") };
        let known = Known::of(ready.marker(), request.path.clone(), Remembered::Data);
        drop(ready);
        let mut held = hold(root, Some(&known)).unwrap();
        let wanted = Wanted { format: Format::new(1), devices: Devices::Refuse };
        let old = Trees::of(&volume).live;

        prepare(&mut held, FIRST, wanted, &snapshot("new"), &Silent).unwrap();
        device.mark();
        promises.next(&volume, &[&old]);
        assert_eq!(exchange(&mut held, FIRST, &KEEPING).unwrap(), Exchange::Done);
        device.mark();
        let new = promises.next(&volume, &[&old]);
        settle(&mut held, FIRST).unwrap();
        device.mark();
        promises.next(&volume, &[&old, &new]);

        stage_trashed(&mut held, FIRST, UNDO).unwrap();
        device.mark();
        promises.next(&volume, &[&old, &new]);
        assert_eq!(exchange(&mut held, UNDO, &KEEPING).unwrap(), Exchange::Done);
        device.mark();
        assert_eq!(promises.next(&volume, &[&old, &new]), old, "undone");
        settle(&mut held, UNDO).unwrap();
        device.mark();
        promises.next(&volume, &[&old, &new]);

        prepare(&mut held, TAKEN_BACK, wanted, &snapshot("other"), &Silent).unwrap();
        exchange(&mut held, TAKEN_BACK, &KEEPING).unwrap();
        device.mark();
        let other = promises.next(&volume, &[&old, &new]);
        assert_eq!(exchange_back(&mut held, TAKEN_BACK).unwrap(), Back::Returned(TAKEN_BACK));
        device.mark();
        promises.next(&volume, &[&old, &new, &other]);

        prepare(&mut held, DISCARDED, wanted, &snapshot("unused"), &Silent).unwrap();
        assert_eq!(discard(&mut held, DISCARDED).unwrap(), Discarded::Deleted);
        device.mark();
        promises.next(&volume, &[&old, &new, &other]);
        (known, promises)
    }

    fn judge(&self, scene: &Scene, (known, promises): &(Known, Promises)) -> Result<(), String> {
        let (machine, request) = place::request(scene.root, "alice");
        let volume = request.path.as_path().to_owned();
        promises.judge(&Trees::of(&volume), scene.marks).map_err(|what| format!("before recovery, {what}"))?;

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
        promises.judge(&trees, scene.marks).map_err(|what| format!("after recovery, {what}"))?;
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
