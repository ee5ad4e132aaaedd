//! Owns the line of a route's tasks that have stepped back so that those of other routes have their turn: who is next, and when
//! one more is called. Pure: the time comes in, and whom to wake comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;
use std::time::{Duration, Instant};

/// So long a route's tasks run, for each thread, until other routes have their turn: a few short connections.
const SLICE: Duration = Duration::from_micros(200);
/// A route that uses less than this part of all threads' time never steps back.
const PART: u32 = 10;
/// A look that one thread comes to later than this is not waited for: the others could have run the route's tasks.
const LATE: Duration = Duration::from_millis(1);

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

/// What a task does that wants to run.
#[derive(Debug)]
pub(crate) enum Step {
    Run,
    /// It waits until it is woken, at this place.
    Back(Place, Next),
}

/// What has to be done so that the line goes on; not under its lock.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    Nothing,
    /// Wake the task that is called.
    Call(Waker),
    /// Say so ([`Line::looked`]) when the thread has asked the kernel for news.
    Look,
}

/// The line, and what its route has used of the threads.
#[derive(Debug)]
pub(crate) struct Line {
    /// So many run at once.
    threads: usize,
    used: Duration,
    since: Instant,
    next: u64,
    waiting: BTreeMap<Place, Waker>,
    called: BTreeSet<Place>,
    /// Since when a look is awaited.
    awaited: Option<Instant>,
}

impl Line {
    /// An empty one, on so many threads.
    pub(crate) fn new(threads: usize, now: Instant) -> Self {
        Self {
            threads: threads.max(1),
            used: Duration::ZERO,
            since: now,
            next: 0,
            waiting: BTreeMap::new(),
            called: BTreeSet::new(),
            awaited: None,
        }
    }

    /// A task wants to run that has this place, if it has stepped back. Who was not called yet keeps its place.
    pub(crate) fn step_up(&mut self, place: Option<Place>, waker: &Waker, now: Instant) -> Step {
        self.forget(now);
        if let Some(place) = place {
            if self.called.contains(&place) {
                return Step::Run;
            }
            if let Some(waiting) = self.waiting.get_mut(&place) {
                waiting.clone_from(waker);
            }
            return Step::Back(place, self.go_on(now));
        }
        if self.waiting.is_empty() && self.has_time() {
            return Step::Run;
        }
        let place = Place(self.next);
        self.next += 1;
        self.waiting.insert(place, waker.clone());
        Step::Back(place, self.go_on(now))
    }

    /// A task has run for so long, which had this place.
    pub(crate) fn ran(&mut self, place: Option<Place>, took: Duration, now: Instant) -> Next {
        self.used = self.used.saturating_add(took);
        if let Some(place) = place {
            self.called.remove(&place);
        }
        self.go_on(now)
    }

    /// A task that had this place comes no more. Its waker is dropped by the caller, as it may hold what uses the line.
    pub(crate) fn leave(&mut self, place: Place, now: Instant) -> (Option<Waker>, Next) {
        let waker = self.waiting.remove(&place);
        self.called.remove(&place);
        (waker, self.go_on(now))
    }

    /// The kernel was asked for news, so that the others can have their turn: whoever is to be woken now.
    pub(crate) fn looked(&mut self) -> Vec<Waker> {
        self.begin_slice();
        std::iter::from_fn(|| self.call()).collect()
    }

    fn begin_slice(&mut self) {
        self.awaited = None;
        self.used = Duration::ZERO;
    }

    fn go_on(&mut self, now: Instant) -> Next {
        if self.waiting.is_empty() {
            return Next::Nothing;
        }
        if self.awaited.is_some_and(|since| now.saturating_duration_since(since) > LATE) {
            self.begin_slice();
        }
        if self.awaited.is_some() {
            Next::Nothing
        } else if self.has_time() {
            self.call().map_or(Next::Nothing, Next::Call)
        } else {
            self.awaited = Some(now);
            Next::Look
        }
    }

    /// Calls the first of those who wait, where fewer are called than can run at once.
    fn call(&mut self) -> Option<Waker> {
        if self.called.len() >= self.threads {
            return None;
        }
        let (place, waker) = self.waiting.pop_first()?;
        self.called.insert(place);
        Some(waker)
    }

    fn has_time(&self) -> bool {
        self.used < SLICE * u32::try_from(self.threads).unwrap_or(u32::MAX)
    }

    /// What was used counts less as time goes by.
    fn forget(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        self.used = self.used.saturating_sub(passed / PART * u32::try_from(self.threads).unwrap_or(1));
        self.since = self.since.max(now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_back(step: &Step) -> bool {
        matches!(step, Step::Back(..))
    }

    #[test]
    fn a_route_that_uses_little_never_steps_back() {
        let start = Instant::now();
        let mut line = Line::new(1, start);
        for turn in 1..1_000 {
            let now = start + SLICE * PART * turn;
            assert!(matches!(line.step_up(None, Waker::noop(), now), Step::Run), "turn {turn}");
            assert!(matches!(line.ran(None, SLICE, now), Next::Nothing));
        }
    }

    #[test]
    fn a_long_turn_is_not_forgotten_while_it_lasts() {
        let start = Instant::now();
        let mut line = Line::new(1, start);
        assert!(matches!(line.step_up(None, Waker::noop(), start), Step::Run));
        assert!(matches!(line.ran(None, SLICE * 20, start), Next::Nothing));
        let step = line.step_up(None, Waker::noop(), start + SLICE * 20);
        assert!(matches!(step, Step::Back(_, Next::Look)), "{step:?}");
    }

    #[test]
    fn who_stepped_back_first_is_called_first_and_one_after_the_other_until_the_slice_is_over() {
        let start = Instant::now();
        let mut line = Line::new(1, start);
        let bells: [Arc<Bell>; 3] = Default::default();
        let wakers = bells.clone().map(Waker::from);
        assert!(matches!(line.ran(None, SLICE, start), Next::Nothing), "nobody waits");
        let mut places = Vec::new();
        for (n, waker) in wakers.iter().enumerate() {
            let Step::Back(place, next) = line.step_up(None, waker, start) else { panic!("{n} ran") };
            assert_eq!(matches!(next, Next::Look), n == 0, "one look is enough: {next:?}");
            places.push(place);
        }
        assert!(is_back(&line.step_up(Some(places[1]), &wakers[1], start)), "it was woken by something else");
        line.looked().into_iter().for_each(Waker::wake);
        let rung = || bells.each_ref().map(|bell| bell.0.load(Ordering::Relaxed));
        assert_eq!(rung(), [1, 0, 0]);
        assert!(is_back(&line.step_up(Some(places[1]), &wakers[1], start)));
        assert!(is_back(&line.step_up(None, Waker::noop(), start)), "who comes now is behind them");
        assert!(matches!(line.step_up(Some(places[0]), &wakers[0], start), Step::Run));
        let Next::Call(second) = line.ran(Some(places[0]), SLICE / 2, start) else { panic!("nobody was called") };
        second.wake();
        assert_eq!(rung(), [1, 1, 0]);
        assert!(matches!(line.step_up(Some(places[1]), &wakers[1], start), Step::Run));
        assert!(matches!(line.ran(Some(places[1]), SLICE, start), Next::Look));
        assert_eq!(rung(), [1, 1, 0]);
    }

    #[test]
    fn as_many_are_called_as_can_run_at_once() {
        let start = Instant::now();
        let mut line = Line::new(4, start);
        assert!(matches!(line.ran(None, SLICE * 4, start), Next::Nothing));
        for _ in 0..6 {
            assert!(is_back(&line.step_up(None, Waker::noop(), start)));
        }
        assert_eq!([line.looked().len(), line.looked().len()], [4, 0]);
    }

    #[test]
    fn a_late_look_is_not_waited_for() {
        let start = Instant::now();
        let mut line = Line::new(2, start);
        assert!(matches!(line.ran(None, SLICE * 20, start), Next::Nothing));
        let back = |line: &mut Line, now: Instant| match line.step_up(None, Waker::noop(), now) {
            Step::Run => panic!("it ran"),
            Step::Back(_, next) => next,
        };
        assert!(matches!(back(&mut line, start), Next::Look));
        assert!(matches!(back(&mut line, start + LATE), Next::Nothing));
        assert!(matches!(back(&mut line, start + LATE * 2), Next::Call(_)));
        assert!(
            line.looked().len() == 1 && line.looked().is_empty(),
            "it comes all the same, and calls whoever there is room for"
        );
    }

    /// What may happen to one of a few tasks.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        /// It is polled, and runs for so long where it may.
        Poll(usize, u64),
        /// It ends, wherever it is.
        End(usize),
        Looked,
        /// So many microseconds pass.
        Pass(u64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            6 => (0..8_usize, 0..300_u64).prop_map(|(task, took)| Event::Poll(task, took)),
            1 => (0..8_usize).prop_map(Event::End),
            2 => Just(Event::Looked),
            1 => (0..3_000_u64).prop_map(Event::Pass),
        ];
        prop::collection::vec(event, 1..200)
    }

    proptest! {
        #[test]
        fn whoever_waits_is_called_in_the_end_and_in_order(events in events(), threads in 1..3_usize) {
            let mut now = Instant::now();
            let mut line = Line::new(threads, now);
            let mut places = [None; 8];
            let mut last_run = None;
            // So many looks were asked for, of which the late ones count no more.
            let mut looks = 0_usize;
            let take = |next: Next, looks: &mut usize| *looks += usize::from(matches!(next, Next::Look));
            for event in events {
                match event {
                    Event::Poll(task, took) => {
                        match line.step_up(places[task], Waker::noop(), now) {
                            Step::Run => {
                                let took = Duration::from_micros(took);
                                now += took;
                                let place = places[task].take();
                                if threads == 1 && place.is_some() {
                                    prop_assert!(place > last_run, "{place:?} after {last_run:?}");
                                    last_run = place;
                                }
                                take(line.ran(place, took, now), &mut looks);
                            }
                            Step::Back(place, next) => {
                                prop_assert!(places[task].is_none_or(|before| before == place));
                                places[task] = Some(place);
                                take(next, &mut looks);
                            }
                        }
                    }
                    Event::End(task) => {
                        if let Some(place) = places[task].take() {
                            take(line.leave(place, now).1, &mut looks);
                        }
                    }
                    Event::Looked => {
                        if looks > 0 {
                            looks -= 1;
                            drop(line.looked());
                        }
                    }
                    Event::Pass(time) => now += Duration::from_micros(time),
                }
                prop_assert!(looks > 0 || line.awaited.is_none());
                let goes_on = line.awaited.is_some() || !line.called.is_empty();
                prop_assert!(goes_on || line.waiting.is_empty(), "nobody would ever call those who wait: {:?}", line);
            }
        }
    }
}
