//! Owns how much and how long: the router's bounds, and the rule that fits them to the process. Reads nothing itself.

use std::time::Duration;

use crate::descriptors::DescriptorLimit;
use crate::error::TooFewDescriptors;

/// The bounds of a router, the same for each of its routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one route at once. Further clients wait, in the kernel's queue for the most part, while some end, and are reset,
    /// and counted as refused, once none has for a second, or for ten where somebody is still on the way to the container or others get their places.
    pub connections_per_route: usize,
    /// Connections of all routes at once.
    pub connections: usize,
    /// How long a client waits for a target that cannot be reached before it is reset.
    pub connect_limit: Duration,
    /// How long one attempt to reach a target may take.
    pub connect_attempt: Duration,
    /// How long a route may be held before it closes by itself, so that no client hangs for ever.
    pub hold_limit: Duration,
    /// Pipes of all routes together, through which the kernel moves bulk transfers while something is in them; with none
    /// to be had, a transfer is copied.
    pub pipes: usize,
    /// Clients that the kernel keeps waiting while a route is held; the kernel cuts it to `net.core.somaxconn`, which is 4,096
    /// where nobody has raised it. Those beyond try again by themselves, after 1, 3 and 7 s.
    pub backlog: u16,
    /// How long somebody waits on a public socket that another process accepts on, before that process is taken not to, and
    /// who waits is taken in here. It is looked every 100 ms whether somebody waits, and every 20 ms while somebody does.
    pub left_waiting: Duration,
}

impl Limits {
    /// How long the usual limits let a route be held: whoever holds one for longer renews the hold well before.
    pub const HOLD_LIMIT: Duration = Duration::from_mins(1);
    /// Descriptors kept for everything else: listeners, the engine's socket, the ledger, logs.
    const KEPT: u64 = 256;
    /// Descriptors of one connection: the client's and the container's socket.
    const PER_CONNECTION: u64 = 2;
    /// Descriptors of one pipe: its two ends.
    const PER_PIPE: u64 = 2;
    /// As many as slow receivers of large transfers are likely to hold at once.
    const MOST_PIPES: u64 = 32;
    /// With fewer descriptors a router is of no use.
    const LEAST: DescriptorLimit = DescriptorLimit::new(Self::KEPT + 64 * Self::PER_CONNECTION);

    /// The usual limits, as far as this many descriptors allow.
    ///
    /// All connections together leave 256 descriptors free for the rest of the process, and those of the pipes, of which
    /// there are at most 32, and fewer where connections need the descriptors more; one route gets at most 512
    /// connections and at most half of all, so that none can keep the others from serving.
    ///
    /// # Errors
    /// When fewer than 64 connections would fit.
    pub fn within(descriptors: DescriptorLimit) -> Result<Self, TooFewDescriptors> {
        if descriptors < Self::LEAST {
            return Err(TooFewDescriptors { found: descriptors, wanted: Self::LEAST });
        }
        let pipes = ((descriptors.get() - Self::LEAST.get()) / 32).min(Self::MOST_PIPES);
        // A million is beyond what one machine of this kind serves, and within every counter used here.
        let kept = Self::KEPT + pipes * Self::PER_PIPE;
        let connections = ((descriptors.get() - kept) / Self::PER_CONNECTION).min(1_000_000);
        let connections = usize::try_from(connections).unwrap_or(1_000_000);
        Ok(Self {
            connections_per_route: 512.min(connections / 2),
            connections,
            connect_limit: Duration::from_secs(10),
            connect_attempt: Duration::from_secs(2),
            hold_limit: Self::HOLD_LIMIT,
            pipes: usize::try_from(pipes).unwrap_or(0),
            backlog: u16::MAX,
            left_waiting: Duration::from_millis(160),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_descriptors_of_the_process() {
        for (descriptors, all, per_route, pipes) in [
            (384, 64, 32, 0),
            (1_024, 364, 182, 20),
            (4_096, 1_888, 512, 32),
            (20_000, 9_840, 512, 32),
            (u64::MAX, 1_000_000, 512, 32),
        ] {
            let limits = Limits::within(DescriptorLimit::new(descriptors)).unwrap();
            let found = (limits.connections, limits.connections_per_route, limits.pipes);
            assert_eq!(found, (all, per_route, pipes), "{descriptors}");
            let used = 256 + 2 * (limits.connections as u64) + 2 * (limits.pipes as u64);
            assert!(used <= descriptors, "{used} of {descriptors}");
            assert_eq!(limits.hold_limit, Limits::HOLD_LIMIT);
            assert_eq!(limits.left_waiting, Duration::from_millis(160));
        }
    }

    #[test]
    fn too_few_descriptors_are_refused() {
        let error = Limits::within(DescriptorLimit::new(383)).unwrap_err();
        assert_eq!(error.to_string(), "383 open files are too few for the router: wanted at least 384");
    }
}
