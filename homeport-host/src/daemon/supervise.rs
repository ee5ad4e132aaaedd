//! Owns the decision what happens when an instance's container has ended: by exit code, with pauses that grow.
//! Pure: the time comes in. [spec: ENT-26]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use homeport_core::entrypoint::{ExitStatus, Retry};
use homeport_core::name::InstanceName;

use crate::engine::{ExitFacts, MemoryEnd};

/// After this many failures without a good time between them nothing is tried any more.
const MOST_FAILURES: u32 = 5;
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(1);
/// An instance that ran for this long counts as good again.
const GOOD: Duration = Duration::from_mins(10);

/// What is done about an instance that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is started again after this pause.
    Again(Duration),
    /// It is left alone until somebody does something; why.
    Leave(String),
}

/// What is remembered of instances that ended.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<InstanceName, (u32, Instant)>);

impl Failures {
    /// An instance's container ended, or could not be started (`exit` is `None` then).
    pub(super) fn ended(&mut self, instance: &InstanceName, exit: Option<&ExitFacts>, now: Instant) -> Decision {
        let entry = self.0.entry(instance.clone()).or_insert((0, now));
        if now.saturating_duration_since(entry.1) > GOOD {
            entry.0 = 0;
        }
        *entry = (entry.0 + 1, now);
        decide(exit, entry.0)
    }

    /// Somebody did something about the instance: it starts with a clean sheet.
    pub(super) fn forgive(&mut self, instance: &InstanceName) {
        self.0.remove(instance);
    }
}

fn decide(exit: Option<&ExitFacts>, failures: u32) -> Decision {
    let pause = Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(LONGEST);
    let known = exit.and_then(|exit| u8::try_from(exit.code.get()).ok()).and_then(ExitStatus::from_code);
    let why = || exit.map_or_else(|| "it could not be started".to_owned(), crate::run::exit_meaning);
    let enough_memory = exit.is_none_or(|exit| exit.memory == MemoryEnd::Enough);
    match known.map(|status| (status, status.retry())) {
        Some((ExitStatus::Done | ExitStatus::KilledAtStop, _)) | None => {}
        Some((_, Retry::Never | Retry::Config)) if enough_memory => return Decision::Leave(why()),
        Some((_, Retry::Space)) => return Decision::Again(LONGEST),
        Some(_) => {}
    }
    if failures > MOST_FAILURES {
        Decision::Leave(format!("{} for the {failures}th time in a row", why()))
    } else {
        Decision::Again(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ExitCode;

    fn exit(code: i64) -> ExitFacts {
        ExitFacts { code: ExitCode::new(code), memory: MemoryEnd::Enough, at: None, message: String::new() }
    }

    #[test]
    fn the_exit_code_decides_whether_it_is_tried_again() {
        for (code, again) in [
            (0, true),
            (1, true),
            (69, true),
            (71, true),
            (75, true),
            (137, true),
            (84, true),
            (64, false),
            (65, false),
            (66, false),
            (70, false),
            (73, false),
            (74, false),
            (76, false),
            (77, false),
            (78, false),
            (80, false),
            (82, false),
            (83, false),
        ] {
            assert_eq!(matches!(decide(Some(&exit(code)), 1), Decision::Again(_)), again, "{code}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut failures = Failures::default();
        let (name, now) = ("a".parse().unwrap(), Instant::now());
        let pauses: Vec<_> = (0..6).map(|_| failures.ended(&name, Some(&exit(69)), now)).collect();
        let again = |seconds| Decision::Again(Duration::from_secs(seconds));
        assert_eq!(pauses[..5], [again(1), again(2), again(4), again(8), again(16)]);
        assert!(matches!(pauses[5], Decision::Leave(_)));
        let later = now + GOOD + Duration::from_secs(1);
        assert_eq!(failures.ended(&name, Some(&exit(69)), later), again(1));
        failures.forgive(&name);
        assert_eq!(failures.ended(&name, None, later), again(1));
    }
}
