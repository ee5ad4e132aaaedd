//! Purging volumes, putting them back and emptying the trash, with the power cut at any moment: until emptying was asked
//! for, all of the data is in its place or in the trash, and nothing starts on a part of it.

use std::path::{Path, PathBuf};

use homeport_volumes::trash::{
    Purge, TrashError, TrashPlace, TrashState, Trashed, empty, finish_purge, purge, put_back,
};
use homeport_volumes::{Checked, Known, Machine, Origin, Ready, Remembered, Request, TxId, UnixSeconds, check};

use crate::disk::Kind;
use crate::effort;
use crate::place;
use crate::replay;
use crate::stage::Stage;
use crate::trees::{Picture, furnish, picture};
use crate::workload::{Scene, Workload};

const FIRST: TxId = TxId::from_bytes([0xb1; 16]);
const SECOND: TxId = TxId::from_bytes([0xb2; 16]);
/// Purged, put back, purged again, deleted.
const EACH: usize = 4;

/// Two volumes, one after the other: one at `HomePort`'s own path, one in an operator's directory.
pub(crate) struct Purges;

/// What the ledger knows of a volume, and what is in it.
pub(crate) struct Filled {
    known: Known,
    data: Picture,
}

fn questions(root: &Path) -> [(Machine, Request); 2] {
    [place::request(root, "alice"), place::operators(root, "bob")]
}

fn ready(machine: &Machine, request: &Request) -> Result<Ready, String> {
    match check(machine, request, None) {
        Ok(Checked::Attach(ready)) => Ok(*ready),
        other => Err(format!("{other:?}")),
    }
}

fn a_purge(tx: TxId) -> Purge {
    Purge { tx, since: UnixSeconds::new(9), until: None, measured: None }
}

fn trash_of(request: &Request) -> TrashPlace {
    match &request.origin {
        Origin::Default { data_root } => TrashPlace::DataRoot(data_root.clone()),
        Origin::Operator => TrashPlace::Volume(request.path.clone()),
    }
}

/// Where the data of a volume is in the trash.
fn trashed_data(request: &Request, tx: TxId) -> PathBuf {
    let slot = trash_of(request).path().as_path().join(tx.to_string());
    match request.origin {
        Origin::Default { .. } => slot.join("volume/data"),
        Origin::Operator => slot.join("data"),
    }
}

impl Workload for Purges {
    type Known = Vec<Filled>;

    const STEPS: usize = 2 * EACH;

    fn prepare(&self, root: &Path) {
        for (machine, request) in questions(root) {
            place::make(&machine, &request);
            furnish(&request.path.as_path().join("data"), request.instance.as_str());
        }
    }

    fn begin(&self, root: &Path) -> Vec<Filled> {
        let filled = |(machine, request): (Machine, Request)| Filled {
            known: Known::of(ready(&machine, &request).unwrap().marker(), request.path.clone(), Remembered::Data),
            data: picture(&request.path.as_path().join("data")),
        };
        questions(root).map(filled).into()
    }

    fn step(&self, root: &Path, step: usize) -> Result<String, String> {
        let (machine, request) = &questions(root)[step / EACH];
        let place = trash_of(request);
        let done = match step % EACH {
            0 => purge(ready(machine, request)?, &request.origin, &a_purge(FIRST)).map(drop),
            1 => put_back(&place, FIRST).map(drop),
            2 => purge(ready(machine, request)?, &request.origin, &a_purge(SECOND)).map(drop),
            _ => empty(machine, &place, SECOND, &mut |_| {}).map(drop),
        };
        done.map(|()| String::new()).map_err(|error| format!("{error:?}"))
    }

    fn promise(&self, _root: &Path, _filled: &mut Vec<Filled>, _step: usize, _word: &str) {}

    fn judge(&self, scene: &Scene, filled: &Vec<Filled>) -> Result<(), String> {
        for (at, (machine, request)) in questions(scene.root).into_iter().enumerate() {
            let steps = scene.steps.saturating_sub(at * EACH).min(EACH);
            let volume = Volume { machine, request, filled: &filled[at] };
            // A volume whose turn has not come is as it was.
            let verdict = if scene.steps >= at * EACH { volume.judge(steps) } else { volume.in_place() };
            verdict.map_err(|what| format!("{} after {steps} steps: {what}", volume.request.instance))?;
        }
        Ok(())
    }
}

/// One volume as it is found.
struct Volume<'a> {
    machine: Machine,
    request: Request,
    filled: &'a Filled,
}

impl Volume<'_> {
    fn judge(&self, steps: usize) -> Result<(), String> {
        self.never_starts_on_a_part()?;
        let place = trash_of(&self.request);
        match steps {
            0 => self.finish(FIRST),
            1 => {
                self.is_whole_somewhere(FIRST)?;
                self.goes_on(put_back(&place, FIRST).map(drop))?;
                self.in_place()
            }
            2 => self.finish(SECOND),
            3 => {
                self.goes_on(empty(&self.machine, &place, SECOND, &mut |_| {}).map(drop))?;
                self.gone()
            }
            _ => self.gone(),
        }
    }

    /// What a crash left of a purge is brought to its end; then it is in the trash, or was never begun.
    fn finish(&self, tx: TxId) -> Result<(), String> {
        self.is_whole_somewhere(tx)?;
        let finished = finish_purge(&self.request.path, &self.request.origin, tx);
        match finished.map_err(|error| format!("the purge cannot be finished: {error:?}"))? {
            None => self.in_place(),
            Some(Trashed { state: TrashState::Whole, .. }) if self.is_at(&trashed_data(&self.request, tx)) => {
                // And from there it comes back.
                put_back(&trash_of(&self.request), tx).map_err(|error| format!("cannot come back: {error:?}"))?;
                self.in_place()
            }
            Some(other) => Err(format!("the trash does not have all of it: {other:?}")),
        }
    }

    /// A call that is repeated after a crash succeeds, or finds nothing left to do.
    fn goes_on(&self, outcome: Result<(), TrashError>) -> Result<(), String> {
        match outcome {
            Ok(()) | Err(TrashError::Absent { .. }) => Ok(()),
            Err(error) => Err(format!("{} cannot go on: {error:?}", self.request.path)),
        }
    }

    fn is_at(&self, data: &Path) -> bool {
        data.exists() && picture(data) == self.filled.data
    }

    fn data(&self) -> PathBuf {
        self.request.path.as_path().join("data")
    }

    fn is_whole_somewhere(&self, tx: TxId) -> Result<(), String> {
        if self.is_at(&self.data()) || self.is_at(&trashed_data(&self.request, tx)) {
            return Ok(());
        }
        Err("the data is neither in its place nor in the trash".into())
    }

    fn in_place(&self) -> Result<(), String> {
        match check(&self.machine, &self.request, Some(&self.filled.known)) {
            Ok(Checked::Attach(_)) if self.is_at(&self.data()) => Ok(()),
            Ok(_) => Err("what is in its place is not what was there".into()),
            Err(error) => Err(format!("it is not in its place: {error:?}")),
        }
    }

    /// Emptied for good: nothing of it is left, and its place may be used again.
    fn gone(&self) -> Result<(), String> {
        // An empty trash may stay.
        let trash = std::fs::read_dir(trash_of(&self.request).path().as_path());
        if self.data().exists() || trash.is_ok_and(|mut list| list.next().is_some()) {
            return Err("something of it is left".into());
        }
        match check(&self.machine, &self.request, None) {
            Ok(Checked::Create(_)) => Ok(()),
            other => Err(format!("its place is not free: {other:?}")),
        }
    }

    fn never_starts_on_a_part(&self) -> Result<(), String> {
        match check(&self.machine, &self.request, Some(&self.filled.known)) {
            Ok(Checked::Attach(_)) if !self.is_at(&self.data()) => Err("it would start on a part of its data".into()),
            Ok(Checked::Create(_)) => Err("it would be made anew".into()),
            _ => Ok(()),
        }
    }
}

fn survive(stage: &Stage, kind: Kind) {
    replay::survives(stage, kind, &Purges, effort::images(200));
}

on_each_file_system!(purges, survive);
