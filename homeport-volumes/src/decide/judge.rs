//! Owns the judge of one volume: which questions are asked, in which order, and what the content alone allows.
//! Never answers a question about place, condition or marker: `place`, `condition` and `content` do.

use homeport_core::fault::Fault;
use homeport_core::name::VolumeName;

use super::place::Reach;
use super::verdict::{Start, Verdict};
use crate::facts::{Content, DataFact, Facts, Filling, HomeFact, MarkerFact, PathFact};
use crate::request::{Known, Remembered, Request};

/// Collects faults about one volume.
pub(super) struct Judge<'a> {
    pub(super) request: &'a Request,
    pub(super) known: Option<&'a Known>,
    pub(super) facts: &'a Facts,
    pub(super) faults: Vec<Fault>,
}

impl Judge<'_> {
    pub(super) fn run(mut self) -> Result<Verdict, Vec<Fault>> {
        self.check_overlap();
        self.check_use();
        if self.check_path() == Reach::Here {
            self.check_place();
            let verdict = self.judge_content();
            if let (Some(verdict), true) = (verdict, self.faults.is_empty()) {
                return Ok(verdict);
            }
        }
        self.faults.sort_by(|one, two| one.code.cmp(two.code));
        Err(self.faults)
    }

    /// The faults of the place alone.
    pub(super) fn place_only(mut self) -> Vec<Fault> {
        self.check_overlap();
        self.check_use();
        if self.check_path() == Reach::Here {
            self.check_place();
            if let Some(content) = &self.facts.content {
                self.check_journal(content);
            }
        }
        self.faults.sort_by(|one, two| one.code.cmp(two.code));
        self.faults
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
                self.check_drift(marker, content);
                self.check_amount(content);
                self.check_journal(content);
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

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn volume(&self) -> &VolumeName {
        &self.request.volume
    }

    /// A fault of this volume, with the clause that it breaks.
    pub(super) fn fault(&self, code: &'static str, clause: &'static str, message: String) -> Fault {
        Fault::new(code, format!("volumes.{}", self.volume()), message).clause(clause)
    }
}

/// Whether the directory holds nothing: it is empty, or an interrupted creation stopped before the marker.
pub(super) fn blank(content: &Content) -> Option<Start> {
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
pub(super) fn remembers_data(known: Option<&Known>) -> bool {
    known.is_some_and(|known| known.data == Remembered::Data)
}

/// Whether something was found at the path itself.
pub(super) fn is_there(facts: &Facts) -> bool {
    facts.path == PathFact::Directory
}
