//! Owns the decision: may this volume be made, or taken into use? Pure: the same facts give the same verdict.
//! Never looks at a disk.
//!
//! Every fault that stands for itself is returned. A fault that only follows from another one is left out: when the disk
//! is not mounted, nothing is said about what its empty mount point lacks.
//!
//! ```text
//!                      | never known                          | known to the ledger
//! ---------------------+--------------------------------------+---------------------------------------
//! no directory         | default path: Create, else HP-VOL-001 | HP-VOL-001 or HP-VOL-002
//! empty, or half made  | Create                               | HP-VOL-005
//! other things in it   | HP-VOL-003                           | HP-VOL-003
//! marker of this one   | Attach                               | Attach
//! marker of another    | HP-VOL-004                           | HP-VOL-004
//! ```
//!
//! `Create` never follows for a volume that is known, whatever is found. [spec: VOL-18]

mod condition;
mod content;
mod place;
#[cfg(test)]
mod tests;

use homeport_core::fault::Fault;
use homeport_core::name::VolumeName;

use crate::facts::{Content, DataFact, Facts, Filling, HomeFact, MarkerFact, PathFact};
use crate::marker::Marker;
use crate::request::{Known, Remembered, Request};

/// What may be done with the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was never there and can be made.
    Create(Start),
    /// It is there and is the right one.
    Attach {
        /// What it says about itself.
        marker: Box<Marker>,
        /// Whether the port may initialise it.
        novelty: Novelty,
    },
}

/// From where a volume is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From nothing: an empty directory, or none.
    Fresh,
    /// From what an interrupted creation left, which holds no data.
    HalfMade,
}

/// Whether an empty `data/` is empty because nothing was ever in it. [spec: VOL-22]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// Yes: the port may initialise it.
    New,
    /// No: it holds data, or has held some.
    Used,
}

/// Judges the volume of `request` by the facts.
///
/// # Errors
/// All faults, at least one, in the order of their codes. Nothing may be started or made then. [spec: VOL-17]
pub fn decide(request: &Request, known: Option<&Known>, facts: &Facts) -> Result<Verdict, Vec<Fault>> {
    let judge = Judge { request, known, facts, faults: Vec::new() };
    judge.run()
}

/// Collects faults about one volume.
struct Judge<'a> {
    request: &'a Request,
    known: Option<&'a Known>,
    facts: &'a Facts,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn run(mut self) -> Result<Verdict, Vec<Fault>> {
        self.check_overlap();
        self.check_use();
        if self.check_path() == place::Reach::Here {
            self.check_place();
            let verdict = self.judge_content();
            if let (Some(verdict), true) = (verdict, self.faults.is_empty()) {
                return Ok(verdict);
            }
        }
        self.faults.sort_by(|one, two| one.code.cmp(two.code));
        Err(self.faults)
    }

    /// What the content allows; `None` with at least one fault added.
    fn judge_content(&mut self) -> Option<Verdict> {
        let facts = self.facts;
        let Some(content) = &facts.content else {
            return self.judge_blank(Start::Fresh);
        };
        match &content.marker {
            MarkerFact::Valid(marker) => {
                self.check_condition(content);
                self.check_marker(marker, content).map(|novelty| Verdict::Attach { marker: marker.clone(), novelty })
            }
            MarkerFact::Invalid(faults) => {
                for fault in faults {
                    self.torn_marker(fault);
                }
                None
            }
            MarkerFact::Absent => match blank(content) {
                Some(start) => self.judge_blank(start),
                None => self.no_marker(content),
            },
        }
    }

    /// Whether a place without anything in it may become the volume.
    fn judge_blank(&mut self, start: Start) -> Option<Verdict> {
        match self.known {
            None => Some(Verdict::Create(start)),
            Some(known) => self.blank_where_data_is_expected(known),
        }
    }

    fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn volume(&self) -> &VolumeName {
        &self.request.volume
    }

    /// A fault of this volume, with the clause that it breaks.
    fn fault(&self, code: &'static str, clause: &'static str, message: String) -> Fault {
        Fault::new(code, format!("volumes.{}", self.volume()), message).clause(clause)
    }
}

/// Whether the directory holds nothing: it is empty, or an interrupted creation stopped before the marker.
fn blank(content: &Content) -> Option<Start> {
    let home_is_blank = match &content.home {
        HomeFact::Absent => true,
        HomeFact::NotADirectory => false,
        HomeFact::Present { strangers, .. } => strangers.is_empty(),
    };
    let data_is_blank = match &content.data {
        DataFact::Absent => true,
        DataFact::NotADirectory => false,
        DataFact::Present { filling, .. } => *filling == Filling::Empty,
    };
    let untouched = content.home == HomeFact::Absent && content.data == DataFact::Absent;
    let blank = content.strangers.is_empty() && home_is_blank && data_is_blank;
    blank.then_some(if untouched { Start::Fresh } else { Start::HalfMade })
}

/// Whether the ledger remembers data.
fn remembers_data(known: Option<&Known>) -> bool {
    known.is_some_and(|known| known.data == Remembered::Data)
}

/// Whether something was found at the path itself.
fn is_there(facts: &Facts) -> bool {
    facts.path == PathFact::Directory
}
