//! Owns whether something that strikes many clients is news: once it was said, it is not for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long something that was said is no news.
const QUIET: Duration = Duration::from_mins(10);

/// One kind of thing that can be said.
#[derive(Debug, Default)]
pub(crate) struct Occasion(Mutex<Option<Instant>>);

impl Occasion {
    /// Whether it is news now; it is not again within ten minutes after it was.
    pub(crate) fn is_news(&self, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = said.is_none_or(|at| now.saturating_duration_since(at) >= QUIET);
        if is_news {
            *said = Some(now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_news_once_in_ten_minutes() {
        let (occasion, start) = (Occasion::default(), Instant::now());
        let after = [0, 0, 599, 600, 601, 1_200].map(|seconds| occasion.is_news(start + Duration::from_secs(seconds)));
        assert_eq!(after, [true, false, false, true, false, true]);
    }
}
