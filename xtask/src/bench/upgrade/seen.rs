//! Owns what clients saw of a server that was replaced, from what became of each of their connections. Pure.

use std::time::{Duration, Instant};

/// What became of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Answered,
    /// Nobody took it.
    Refused,
    /// It was taken, and ended without an answer.
    Cut,
}

/// One connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) outcome: Outcome,
}

/// What all clients saw together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The longest time in which nobody got an answer.
    pub(super) without_answer: Duration,
    /// The longest that one client waited for its answer.
    pub(super) longest_wait: Duration,
    pub(super) answered: usize,
    pub(super) refused: usize,
    pub(super) cut: usize,
}

impl Seen {
    /// Of these attempts, in any order. Nothing is known of the time before the first answer and after the last.
    pub(super) fn of(attempts: &[Attempt]) -> Self {
        let count = |wanted: Outcome| attempts.iter().filter(|attempt| attempt.outcome == wanted).count();
        let answered = || attempts.iter().filter(|attempt| attempt.outcome == Outcome::Answered);
        let mut answers: Vec<Instant> = answered().map(|attempt| attempt.ended).collect();
        answers.sort_unstable();
        let gaps = answers.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0]));
        let waits = answered().map(|attempt| attempt.ended.saturating_duration_since(attempt.begun));
        Self {
            without_answer: gaps.max().unwrap_or_default(),
            longest_wait: waits.max().unwrap_or_default(),
            answered: answers.len(),
            refused: count(Outcome::Refused),
            cut: count(Outcome::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_end_the_time_without_one() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let attempt =
            |begun: u64, ended: u64, outcome: Outcome| Attempt { begun: at(begun), ended: at(ended), outcome };
        let attempts = [
            attempt(900, 905, Outcome::Answered),
            attempt(0, 5, Outcome::Answered),
            attempt(10, 11, Outcome::Refused),
            attempt(20, 700, Outcome::Answered),
            attempt(30, 31, Outcome::Cut),
        ];
        let wanted = Seen {
            without_answer: Duration::from_millis(695),
            longest_wait: Duration::from_millis(680),
            answered: 3,
            refused: 1,
            cut: 1,
        };
        assert_eq!(Seen::of(&attempts), wanted);
        assert_eq!(Seen::of(&[]).without_answer, Duration::ZERO);
    }
}
