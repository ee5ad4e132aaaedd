//! Takes one operation through everything that can go wrong with it: each step fails, each call of the engine fails, the
//! process dies at each point, dies while it takes back, and dies again while the next process brings it to an end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use homeport_host::engine::sim::When;
use homeport_host::hazard::{Hazard, Moment, Point};
use homeport_host::operation::OperationError;
use homeport_host::run::RunError;

use crate::stage::{Command, Ground, Ran, Stage, Trouble};
use crate::view::Now;

/// Which way an operation goes after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Back,
    On,
}

/// One operation, from one state to another.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn(&Stage),
    pub(crate) command: Command,
    pub(crate) course: Course,
    pub(crate) before: Now,
    pub(crate) after: Now,
    /// How the instance may be after the operation failed and was taken back.
    pub(crate) undone: Vec<Now>,
    /// Another command after a death, whether it succeeds then, and how the instance is afterwards.
    pub(crate) other: (Command, Succeeds, Now),
    /// Every how many deaths are tried of those while taking back and while a death is mended, beside all of them after the
    /// last point. With `HOMEPORT_EXHAUST=1` every single one is tried, in some minutes.
    pub(crate) stride: usize,
}

/// Whether a command after a death succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Succeeds {
    Yes,
    /// There is no such instance by then.
    NoInstance,
}

/// What an operation does when nothing goes wrong.
struct Calm {
    steps: Vec<String>,
    points: Vec<Point>,
    calls: usize,
}

/// How many cases there were of each kind.
#[derive(Debug, Default)]
struct Covered {
    failed_points: AtomicUsize,
    failed_calls: AtomicUsize,
    deaths_at_points: AtomicUsize,
    deaths_in_calls: AtomicUsize,
    deaths_in_undo: AtomicUsize,
    second_deaths: AtomicUsize,
    possible_second_deaths: AtomicUsize,
}

fn count(of: &AtomicUsize) {
    of.fetch_add(1, Ordering::Relaxed);
}

/// The points of a plan with these steps: two of each, and one before the end of the operation; a last step that is one
/// with the end has no moment between the two.
fn predicted(steps: &[String]) -> Vec<Point> {
    let mut points = Vec::new();
    for (step, name) in steps.iter().enumerate() {
        let is_last = step + 1 == steps.len();
        let is_one_with_the_end = is_last && ["want_running", "reconfigure", "forget"].contains(&name.as_str());
        points.push(Point { step, moment: Moment::BeforeStep });
        if !is_one_with_the_end {
            points.push(Point { step, moment: Moment::AfterStep });
        }
        if is_last {
            points.push(Point { step, moment: Moment::BeforeCommit });
        }
    }
    points
}

/// The points of taking back every step up to this one.
fn predicted_undo(last: usize) -> Vec<Point> {
    let both = |step| [Moment::BeforeUndo, Moment::AfterUndo].map(|moment| Point { step, moment });
    (0..=last).rev().flat_map(both).collect()
}

/// Runs all cases on two threads.
pub(crate) fn spread<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Box<dyn std::any::Any + Send>>> = Mutex::new(None);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(case)));
            if let Err(panic) = done {
                next.store(cases.len(), Ordering::Relaxed);
                *failed.lock().unwrap() = Some(panic);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    if let Some(panic) = failed.into_inner().unwrap() {
        std::panic::resume_unwind(panic);
    }
}

impl Subject {
    fn stage(&self, ground: &Ground) -> Stage {
        let stage = ground.stage();
        (self.prepare)(&stage);
        stage
    }

    /// Whether a second trouble of this number after one at this point is tried: all after the last point, from where the
    /// way is the longest, and some after each other.
    fn is_tried(&self, calm: &Calm, number: usize, second: usize) -> bool {
        number + 1 == calm.points.len() || (second + number).is_multiple_of(self.stride())
    }

    fn stride(&self) -> usize {
        if std::env::var_os("HOMEPORT_EXHAUST").is_some() { 1 } else { self.stride }
    }

    fn is_deploy(&self) -> bool {
        matches!(self.command, Command::Deploy | Command::DeployOnDisk)
    }

    /// The whole list; prints how much it was.
    pub(crate) fn exhaust(&self, steps: &[&str]) {
        let began = std::time::Instant::now();
        let ground = Ground::new();
        let calm = self.calm(&ground);
        assert_eq!(calm.steps, steps, "{}: the plan", self.name);
        assert_eq!(calm.points, predicted(&calm.steps), "{}: the points of the plan", self.name);
        let covered = Covered::default();
        let points: Vec<usize> = (0..calm.points.len()).collect();
        let calls: Vec<(usize, When)> =
            (0..calm.calls).flat_map(|call| [(call, When::Before), (call, When::After)]).collect();
        spread(&points, |point| self.fail_at(&ground, &calm, *point, &covered));
        spread(&calls, |call| self.fail_in(&ground, *call, &covered));
        spread(&points, |point| self.die_at(&ground, &calm, *point, &covered));
        spread(&calls, |call| self.die_in(&ground, *call, &covered));
        if self.course == Course::Back {
            spread(&points, |point| self.die_in_undo(&ground, &calm, *point, &covered));
        }
        spread(&points, |point| self.die_twice(&ground, &calm, *point, &covered));

        let Covered { failed_points, failed_calls, deaths_at_points, deaths_in_calls, .. } = &covered;
        let got = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let (steps, points) = (calm.steps.len(), calm.points.len());
        let is_commit = calm.points.last().map(|last| last.moment) == Some(Moment::BeforeCommit);
        assert!(is_commit && (points == 2 * steps || points == 2 * steps + 1), "{points} points of {steps} steps");
        assert_eq!(got(failed_points), points);
        assert_eq!(got(failed_calls), 2 * calm.calls);
        assert_eq!(got(deaths_at_points), 2 * points);
        assert_eq!(got(deaths_in_calls), 2 * calm.calls);
        let taken_back = calm.points.iter().filter(|_| self.course == Course::Back);
        let undo_points: usize = taken_back.map(|point| predicted_undo(point.step).len()).sum();
        let (undo_deaths, second_deaths) = (got(&covered.deaths_in_undo), got(&covered.second_deaths));
        let possible = got(&covered.possible_second_deaths);
        if self.course == Course::Back {
            // Each undo at both of its moments at the least.
            assert!(undo_deaths >= 2 * steps, "{undo_deaths} of {undo_points}");
            assert!(possible >= undo_points && second_deaths >= 2 * steps, "{second_deaths} of {possible}");
        }
        assert!(second_deaths > 0 && second_deaths >= possible / (2 * self.stride()), "{second_deaths} of {possible}");
        println!(
            "{}: {steps} steps, {points} points, {} engine calls; failures: {} at points, {} in calls; deaths: {} at \
             points, {} in calls, {undo_deaths} of {undo_points} while taking back, {second_deaths} of {possible} while a \
             death is mended; {} stages, {:.1} s",
            self.name,
            calm.calls,
            got(failed_points),
            got(failed_calls),
            got(deaths_at_points),
            got(deaths_in_calls),
            ground.count(),
            began.elapsed().as_secs_f32(),
        );
    }

    fn calm(&self, ground: &Ground) -> Calm {
        let stage = self.stage(ground);
        assert_eq!(stage.settled(self.name), self.before, "{}", self.name);
        let ran = stage.must(self.command);
        assert_eq!(stage.settled(self.name), self.after, "{}", self.name);
        stage.check_journals(self.name);
        Calm { steps: stage.last_steps(), points: ran.points, calls: ran.calls }
    }

    /// One step fails, before or after it has its effect.
    fn fail_at(&self, ground: &Ground, calm: &Calm, number: usize, covered: &Covered) {
        let point = &calm.points[number];
        let case = format!("{}: failed {point} (`{}`)", self.name, calm.steps[point.step]);
        let stage = self.stage(ground);
        let ran = stage.run(self.command, &Trouble::at(number, Hazard::Fail));
        let (step, why) = match self.course {
            Course::Back => ran.undone().map(|(step, cause, _)| (step, cause)),
            Course::On => ran.unfinished(),
        }
        .unwrap_or_else(|| panic!("{case}: {}", ran.text()));
        assert_eq!((step.name(), why.as_str()), (calm.steps[point.step].as_str(), "a simulated fault"), "{case}");
        if self.course == Course::Back && !matches!(self.command, Command::Config(_)) {
            assert_eq!(ran.points[number + 1..], predicted_undo(point.step), "{case}");
        }
        self.after_failure(&stage, &ran, &case);
        count(&covered.failed_points);
    }

    /// One call of the engine fails, before or after it has its effect.
    fn fail_in(&self, ground: &Ground, (call, when): (usize, When), covered: &Covered) {
        let stage = self.stage(ground);
        let ran = stage.run(self.command, &Trouble::in_call(call, when, Hazard::Fail));
        let action = stage.engine.calls()[call].to_string();
        let case = format!("{}: failed {when:?} call {call} (`{action}`)", self.name);
        assert!(ran.text().contains("injected fault"), "{case}: {}", ran.text());
        if !ran.points.is_empty() {
            let is_right = match self.course {
                Course::Back => ran.undone().is_some(),
                Course::On => ran.unfinished().is_some(),
            };
            assert!(is_right, "{case}: {}", ran.text());
        }
        self.after_failure(&stage, &ran, &case);
        count(&covered.failed_calls);
    }

    /// What holds after a failure, and that the next command works.
    fn after_failure(&self, stage: &Stage, ran: &Ran, case: &str) {
        stage.check_data(case);
        if self.course == Course::Back || ran.points.is_empty() {
            let now = stage.settled(case);
            let may_be = if ran.points.is_empty() { std::slice::from_ref(&self.before) } else { &self.undone };
            assert!(may_be.contains(&now), "{case}: {now:?}");
            if self.is_deploy() {
                stage.check_kept(case, self.command == Command::DeployOnDisk);
                self.check_told(stage, ran, case);
            }
        } else {
            assert!(stage.ledger().open_operation().unwrap().is_some(), "{case}: nothing is left to be finished");
            stage.list();
        }
        stage.check_journals(case);
        self.again(stage, case);
    }

    /// The person who deployed is told of every volume that was made and is not blank.
    fn check_told(&self, stage: &Stage, ran: &Ran, case: &str) {
        let Some((.., kept)) = ran.undone() else { return };
        let told: Vec<_> = kept.iter().map(|one| (one.volume.clone(), one.path.clone())).collect();
        let volumes = stage.ledger().all_volumes().unwrap();
        let mut made: Vec<_> = volumes.into_iter().map(|one| (one.name, one.path)).collect();
        if self.name.contains("kept") {
            made.clear();
        }
        made.sort_by(|one, two| two.cmp(one));
        assert_eq!(told, made, "{case}");
    }

    /// The same command again does what it was to do.
    fn again(&self, stage: &Stage, case: &str) {
        let ran = stage.run(self.command, &Trouble::default());
        assert!(ran.result.is_ok(), "{case}, then again: {}", ran.text());
        assert_eq!(stage.settled(&format!("{case}, then again")), self.after, "{case}");
    }

    /// The process dies at this point; each of two commands comes next.
    fn die_at(&self, ground: &Ground, calm: &Calm, number: usize, covered: &Covered) {
        let point = &calm.points[number];
        let case = format!("{}: died {point} (`{}`)", self.name, calm.steps[point.step]);
        for next in [Next::Again, Next::Other] {
            let stage = self.stage(ground);
            let ran = stage.run(self.command, &Trouble::at(number, Hazard::Die));
            assert!(ran.died && is_death(&ran), "{case}: {}", ran.text());
            assert!(stage.ledger().open_operation().unwrap().is_some(), "{case}: the journal knows nothing of it");
            self.mended(&stage, next, &case);
            count(&covered.deaths_at_points);
        }
    }

    /// The process dies in this call of the engine.
    fn die_in(&self, ground: &Ground, (call, when): (usize, When), covered: &Covered) {
        let stage = self.stage(ground);
        let ran = stage.run(self.command, &Trouble::in_call(call, when, Hazard::Die));
        let action = stage.engine.calls()[call].to_string();
        let case = format!("{}: died {when:?} call {call} (`{action}`)", self.name);
        assert!(ran.died && ran.result.is_err(), "{case}: {}", ran.text());
        let is_even = (call + usize::from(when == When::After)).is_multiple_of(2);
        self.mended(&stage, if is_even { Next::Again } else { Next::Unrelated }, &case);
        count(&covered.deaths_in_calls);
    }

    /// A step fails, and the process dies at points of taking back what was done.
    fn die_in_undo(&self, ground: &Ground, calm: &Calm, number: usize, covered: &Covered) {
        let point = &calm.points[number];
        let undo = predicted_undo(point.step).len();
        for death in (1..=undo).filter(|death| self.is_tried(calm, number, *death)) {
            let case = format!("{}: failed {point} (`{}`)", self.name, calm.steps[point.step]);
            let case = format!("{case}, died at {death} of {undo} points of the way back");
            let stage = self.stage(ground);
            let trouble = Trouble::at(number, Hazard::Fail).then(number + death, Hazard::Die);
            let ran = stage.run(self.command, &trouble);
            assert!(ran.died && is_death(&ran), "{case}: {}", ran.text());
            self.mended(&stage, if death.is_multiple_of(2) { Next::Again } else { Next::Unrelated }, &case);
            count(&covered.deaths_in_undo);
        }
    }

    /// The process dies at this point, and the next one at each point of bringing it to an end.
    fn die_twice(&self, ground: &Ground, calm: &Calm, number: usize, covered: &Covered) {
        let case = format!("{}: died {}", self.name, calm.points[number]);
        let cut_off = || {
            let stage = self.stage(ground);
            stage.run(self.command, &Trouble::at(number, Hazard::Die));
            stage
        };
        let points = cut_off().run(Command::Unrelated, &Trouble::default()).points;
        let step = calm.points[number].step;
        match self.course {
            Course::Back => assert!(points.starts_with(&predicted_undo(step)), "{case}: {points:?}"),
            // A step that had its effect is carried out again: the journal does not say that it is done.
            Course::On => {
                let last_is_done = calm.points[number].moment == Moment::BeforeCommit
                    && calm.points[number - 1].moment == Moment::AfterStep;
                let ahead = calm.points.iter().filter(|point| point.step >= step && !last_is_done).count();
                assert_eq!(points.len(), ahead, "{case}: {points:?}");
            }
        }
        covered.possible_second_deaths.fetch_add(points.len(), Ordering::Relaxed);
        for death in (0..points.len()).filter(|death| self.is_tried(calm, number, *death)) {
            let case = format!("{case}, then died {}", points[death]);
            let stage = cut_off();
            let ran = stage.run(Command::Unrelated, &Trouble::at(death, Hazard::Die));
            assert!(ran.died, "{case}: {}", ran.text());
            self.mended(&stage, if death.is_multiple_of(2) { Next::Unrelated } else { Next::Again }, &case);
            count(&covered.second_deaths);
        }
    }

    /// What holds after the command that comes next after a death.
    fn mended(&self, stage: &Stage, next: Next, case: &str) {
        stage.check_data(case);
        stage.list();
        let was_begun = stage.ledger().open_operation().unwrap().is_some();
        match next {
            Next::Again => self.again(stage, case),
            Next::Unrelated => {
                let case = format!("{case}, then something else");
                let ran = stage.run(Command::Unrelated, &Trouble::default());
                assert!(matches!(ran.result, Err(OperationError::NoInstance { .. })), "{case}: {}", ran.text());
                let now = stage.settled(&case);
                // Where the first process died again and again, the last one may have found everything done.
                let is_done = self.course == Course::On && was_begun;
                assert_eq!(now, if is_done { self.after.clone() } else { self.before_or_after(&now) }, "{case}");
                if self.is_deploy() {
                    stage.check_kept(&case, self.command == Command::DeployOnDisk);
                }
            }
            Next::Other => {
                let (command, succeeds, after) = &self.other;
                let case = format!("{case}, then {command:?}");
                let ran = stage.run(*command, &Trouble::default());
                match succeeds {
                    Succeeds::Yes => assert!(ran.result.is_ok(), "{case}: {}", ran.text()),
                    Succeeds::NoInstance => {
                        assert!(matches!(ran.result, Err(OperationError::NoInstance { .. })), "{case}: {}", ran.text());
                    }
                }
                assert_eq!(stage.settled(&case), *after, "{case}");
            }
        }
    }

    /// What was cut off is as it was before. Only what is finished and not taken back may be done already.
    fn before_or_after(&self, now: &Now) -> Now {
        let is_done = self.course == Course::On && *now == self.after;
        if is_done { self.after.clone() } else { self.before.clone() }
    }
}

/// Which command comes after a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Again,
    Unrelated,
    Other,
}

fn is_death(ran: &Ran) -> bool {
    matches!(&ran.result, Err(OperationError::Run(RunError::Died { .. })))
}
