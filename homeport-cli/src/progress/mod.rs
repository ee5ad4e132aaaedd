//! Owns telling on standard error what goes on. What is told and when is decided in `screen`; here are the clock, the
//! thread that lets time pass, and the stream.

mod screen;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeport_host::progress::{Event, Progress};
pub(crate) use screen::{QUIET, Screen, Style};

use crate::output::write_err;

/// How often a line in place is looked at.
const TICK: Duration = Duration::from_millis(200);

/// Tells on standard error. Clones tell the same.
#[derive(Debug, Clone)]
pub(crate) struct Reporter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    screen: Screen,
    ticker: Ticker,
}

/// The thread that lets time pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ticker {
    /// It does not run.
    Idle,
    /// It runs.
    Running,
}

impl Reporter {
    /// Begins: the first second counts from here.
    pub(crate) fn new(style: Style) -> Self {
        let state = Mutex::new(State { screen: Screen::new(style), ticker: Ticker::Idle });
        Self(Arc::new(Shared { begun: Instant::now(), state, changed: Condvar::new() }))
    }

    /// Takes away what stands in place, so that results and errors begin on a line of their own.
    pub(crate) fn finish(&self) {
        let mut state = self.0.lock();
        write_err(&state.screen.finish());
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Progress for Reporter {
    fn event(&self, event: &Event) {
        let mut state = self.0.lock();
        write_err(&state.screen.event(event, self.0.begun.elapsed()));
        if state.ticker == Ticker::Idle && state.screen.needs_ticks() {
            state.ticker = Ticker::Running;
            let shared = Arc::clone(&self.0);
            std::thread::spawn(move || shared.tick());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass for as long as that changes anything.
    fn tick(&self) {
        let mut state = self.lock();
        while state.screen.needs_ticks() {
            let left = QUIET.saturating_sub(self.begun.elapsed());
            let pause = if left.is_zero() { TICK } else { left };
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            write_err(&state.screen.tick(self.begun.elapsed()));
        }
        state.ticker = Ticker::Idle;
    }
}
