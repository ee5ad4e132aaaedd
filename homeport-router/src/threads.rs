//! Owns how many threads a router has. Never runs anything on them.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

/// More than this many threads move more than the network cards of such machines do.
const MOST: usize = 8;

/// The runtime that suits a router and nothing else: one thread for two processors, at most eight.
///
/// Forwarding is the kernel's work for the most part, and the processors are needed by those who are forwarded to as
/// well. A thread that is alone wakes no other for each new connection, and finds more to move each time it comes round.
pub fn runtime() -> io::Result<Runtime> {
    let processors = available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(threads(processors))
        .thread_name("router")
        .enable_io()
        .enable_time()
        .build()
}

fn threads(processors: usize) -> usize {
    (processors / 2).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::threads;

    #[test]
    fn there_is_one_thread_for_two_processors() {
        for (processors, wanted) in [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (64, 8)] {
            assert_eq!(threads(processors), wanted, "{processors} processors");
        }
    }
}
