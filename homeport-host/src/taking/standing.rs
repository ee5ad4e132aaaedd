//! Owns how many ports stand still through this process, so that it does not end and leave them so. Never freezes or thaws.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The ports that stand still through this process.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    count: u32,
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// No other port is to stand still.
    Closing,
    /// Those that still do are let go on by somebody else.
    GivenUp,
}

/// One port that stands still, until this is dropped.
#[derive(Debug)]
pub(super) struct StandsStill(Arc<Standing>);

/// What came of closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// No port stands still.
    AllGoOn,
    /// Some do, and are to be let go on by whoever closed.
    GivenUp,
}

impl Standing {
    /// One more port is about to stand still; `None` where none may any more.
    pub(super) fn begin(self: &Arc<Self>) -> Option<StandsStill> {
        let mut now = self.now();
        if now.stage != Stage::Open {
            return None;
        }
        now.count += 1;
        Some(StandsStill(Arc::clone(self)))
    }

    /// Lets no other port stand still, and waits for so long until none does.
    pub(super) fn close(&self, limit: Duration) -> Closed {
        let mut now = self.now();
        now.stage = Stage::Closing;
        let waited = self.changed.wait_timeout_while(now, limit, |now| now.count > 0);
        let (mut now, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if now.count == 0 {
            return Closed::AllGoOn;
        }
        now.stage = Stage::GivenUp;
        Closed::GivenUp
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // A thread that panicked with it in hand left a count that is as good as before.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StandsStill {
    /// Whether somebody else lets the port go on.
    pub(super) fn is_given_up(&self) -> bool {
        self.0.now().stage == Stage::GivenUp
    }
}

impl Drop for StandsStill {
    fn drop(&mut self) {
        self.0.now().count -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_waits_for_what_stands_still_and_lets_nothing_else() {
        let standing = Arc::new(Standing::default());
        let still = standing.begin().unwrap();
        let goes_on = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            assert!(!still.is_given_up());
        });
        assert_eq!(standing.close(Duration::from_mins(1)), Closed::AllGoOn);
        goes_on.join().unwrap();
        assert!(standing.begin().is_none());
    }

    #[test]
    fn what_stands_still_for_too_long_is_given_up_and_knows_it() {
        let standing = Arc::new(Standing::default());
        let still = standing.begin().unwrap();
        assert_eq!(standing.close(Duration::from_millis(10)), Closed::GivenUp);
        assert!(still.is_given_up());
    }
}
