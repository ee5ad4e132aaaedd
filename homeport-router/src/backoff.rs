//! Owns the pauses between attempts: doubling, up to a longest one. Never sleeps itself.

use std::time::Duration;

/// Pauses that double from `first` to `longest` and stay there.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// For a container that starts: its first chance after 10 ms, then at least twice a second.
    pub(crate) const CONNECT: Self = Self::new(Duration::from_millis(10), Duration::from_millis(500));
    /// For a lack of descriptors or memory: it ends when connections do, so a second is soon enough.
    pub(crate) const ACCEPT: Self = Self::new(Duration::from_millis(50), Duration::from_secs(1));

    const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// Starts over: the trouble is past.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::CONNECT;
        let pauses: Vec<_> = (0..8).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.pause().as_millis(), 10);
    }
}
