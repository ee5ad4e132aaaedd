//! Owns what is said when a signal ends a command that changes something: at once, and what becomes of what it began. Never
//! holds the process back: what is cut off is brought to its end by whoever comes next.

use std::fs;
use std::io;
use std::sync::mpsc::channel;
use std::time::Duration;

use homeport_host::plan::{Course, Kind};
use homeport_host::progress::{Event, Progress as _};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::progress::Reporter;

/// How long the process waits for its words to be out: nobody may read them.
const PATIENCE: Duration = Duration::from_secs(1);

/// What becomes of what a command has begun when its process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutOff {
    /// It is taken back.
    TakenBack,
    /// It is finished.
    Finished,
    /// One of the two, by what it was.
    Either,
    /// A snapshot was being made: it exists once its last file does.
    NoSnapshot,
}

impl CutOff {
    /// Of an operation of this kind.
    pub(crate) const fn of(kind: Kind) -> Self {
        match kind.course() {
            Course::Back => Self::TakenBack,
            Course::On => Self::Finished,
        }
    }

    fn words(self, signal: i32) -> String {
        let by = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
        let end = match self {
            Self::TakenBack => "taken back",
            Self::Finished => "finished",
            Self::Either => "finished or taken back",
            Self::NoSnapshot => {
                return format!(
                    "stopped by {by}: unless it was said already that it is made, there is no new snapshot"
                );
            }
        };
        format!(
            "stopped by {by}: unless it was done already, what was begun is {end} by the daemon or by the next command that \
             changes something; `homeport repair` does nothing else"
        )
    }
}

/// Says from now on, before SIGINT or SIGTERM ends the process, what becomes of what it began. A signal that whoever started
/// the process lets it ignore stays ignored.
pub(crate) fn watch(reporter: &Reporter, cut_off: CutOff) -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let heard = [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(&status, *signal));
    let mut signals = Signals::new(heard)?;
    let reporter = reporter.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let (reporter, (said, is_said)) = (reporter.clone(), channel());
            std::thread::spawn(move || {
                reporter.event(&Event::Warning { text: cut_off.words(signal) });
                said.send(()).ok();
            });
            is_said.recv_timeout(PATIENCE).ok();
            emulate_default_handler(signal).ok();
        }
    });
    Ok(())
}

/// Whether a process of this `/proc/PID/status` ignores the signal; one whose status is not understood ignores none.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let bit = u32::try_from(signal - 1).ok().and_then(|bit| 1_u64.checked_shl(bit)).unwrap_or(0);
    mask & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_said_to_end_as_its_kind_does() {
        assert_eq!(
            CutOff::of(Kind::Upgrade).words(SIGINT),
            "stopped by SIGINT: unless it was done already, what was begun is taken back by the daemon or by the next command \
             that changes something; `homeport repair` does nothing else"
        );
        let told = CutOff::of(Kind::Stop).words(SIGTERM);
        assert!(told.starts_with("stopped by SIGTERM: ") && told.contains(" is finished by the daemon"), "{told}");
        assert!(CutOff::Either.words(SIGINT).contains(" is finished or taken back by the daemon"));
        assert!(CutOff::NoSnapshot.words(SIGINT).ends_with("there is no new snapshot"));
    }

    #[test]
    fn a_signal_that_is_ignored_is_one_bit_of_a_mask() {
        let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001002\nSigCgt:\t0000000000004000\n";
        assert!(is_ignored(status, SIGINT), "bit 1");
        assert!(!is_ignored(status, SIGTERM), "bit 14 is not set");
        assert!(!is_ignored("SigIgn:\tnonsense\n", SIGINT) && !is_ignored("", SIGINT));
    }
}
