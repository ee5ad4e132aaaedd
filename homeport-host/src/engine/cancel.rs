//! Owns the signal by which one thread ends another's wait on the engine. Never carries a reason.

use tokio::sync::watch;

/// Ends a follow or an event stream from another thread. Clones are the same signal; once set it stays set.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Sender<bool>);

impl Cancel {
    /// A signal that is not set.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Sets the signal: what waits with a clone of it returns soon, what starts with one returns at once.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether the signal is set.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when the signal is set. Cancel safe.
    pub(super) async fn cancelled(&self) {
        let mut receiver = self.0.subscribe();
        // An error means that every sender is gone; `self` is one.
        let _set = receiver.wait_for(|set| *set).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Cancel;

    #[test]
    fn a_clone_is_the_same_signal_and_stays_set() {
        let cancel = Cancel::new();
        let clone = cancel.clone();
        assert!(!clone.is_cancelled());
        cancel.cancel();
        cancel.cancel();
        assert!(clone.is_cancelled());
    }
}
