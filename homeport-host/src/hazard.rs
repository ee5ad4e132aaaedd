//! Owns the points at which an operation can be made to fail or to die in tests. In production nothing ever happens there.
//! Never decides what an operation does about it.

use std::fmt;

/// A moment of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The journal does not say that the step begins: writing that down is what comes next.
    BeforeBegin,
    /// The journal says that the step begins; it has not had any effect.
    BeforeStep,
    /// The step has had its effect; the journal does not say so yet.
    AfterStep,
    /// A step that is being undone has not been touched yet.
    BeforeUndo,
    /// A step has been undone; the journal does not say so yet.
    AfterUndo,
    /// Every step is done; the operation is not marked as done yet.
    BeforeCommit,
}

/// A moment of one step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Which step, from 0.
    pub step: usize,
    /// Which moment of it.
    pub moment: Moment,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.moment, self.step)
    }
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hazard {
    /// Nothing.
    None,
    /// The step fails.
    Fail,
    /// The process dies: nothing more is done, not even an undo.
    Die,
}

/// Says what happens at each point.
pub trait Hazards: Send + Sync + fmt::Debug {
    /// What happens at this point.
    fn at(&self, point: &Point) -> Hazard;
}

/// Nothing ever happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calm;

impl Hazards for Calm {
    fn at(&self, _point: &Point) -> Hazard {
        Hazard::None
    }
}
