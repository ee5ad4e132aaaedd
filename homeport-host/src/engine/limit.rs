//! Owns the limits that every container has. Never reads what the machine allows: the plan compares.

use homeport_core::unit::Bytes;

macro_rules! limit {
    ($(#[$doc:meta])* $name:ident($inner:ty), $low:literal ..= $high:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name($inner);

        impl $name {
            /// The limit with this value; outside of the bounds, the nearest bound.
            pub const fn new(value: $inner) -> Self {
                if value < $low {
                    Self($low)
                } else if value > $high {
                    Self($high)
                } else {
                    Self(value)
                }
            }

            /// The bare value.
            pub const fn get(self) -> $inner {
                self.0
            }
        }
    };
}

limit!(
    /// How many processes and threads may exist at once; 16 and up, since a container needs some to start at all.
    PidLimit(u32), 16..=4_194_304
);
limit!(
    /// The weight against other containers when the processors are busy; 1024 is an ordinary share.
    CpuShares(u32), 2..=262_144
);
limit!(
    /// How many files one process may have open, soft and hard; 64 and up.
    ///
    /// An engine without `CAP_SYS_RESOURCE` cannot start a container with more than its own hard limit (measured: 20000).
    OpenFiles(u32), 64..=1_048_576
);
/// How readily the kernel kills this before other things when memory runs out: 0 as usual, 1000 first.
/// There is no negative one: a port is never safer than the host's own programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OomScore(u16);

impl OomScore {
    /// The score with this value; above 1000, 1000.
    pub const fn new(value: u16) -> Self {
        if value > 1000 { Self(1000) } else { Self(value) }
    }

    /// The bare value.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl OpenFiles {
    /// Enough for a mail server, and below the hard limits that were met.
    pub const DEFAULT: Self = Self(16_384);

    /// This limit, or `hard` where that is less.
    #[must_use]
    pub fn at_most(self, hard: u64) -> Self {
        Self::new(u32::try_from(hard).map_or(self.0, |hard| hard.min(self.0)))
    }
}

/// How much of a container's output the engine keeps; the oldest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimit {
    /// The size of one file.
    pub file: Bytes,
    /// How many files, at least 1.
    pub files: u8,
}

impl LogLimit {
    /// 30 MiB in all.
    pub const DEFAULT: Self = Self { file: Bytes::new(10 << 20), files: 3 };
}

/// Every limit of one container. There is no "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory, without any swap beside it. The engine wants 6 MiB at least.
    pub memory: Bytes,
    /// Processes and threads.
    pub pids: PidLimit,
    /// Share of the processors.
    pub cpu: CpuShares,
    /// Open files of one process.
    pub open_files: OpenFiles,
    /// Size of `/dev/shm`.
    pub shm: Bytes,
    /// Kept output.
    pub logs: LogLimit,
    /// Who dies first when the machine's memory runs out.
    pub oom: OomScore,
}

impl Limits {
    /// These limits for memory and processes, and the ordinary ones for the rest.
    pub const fn new(memory: Bytes, pids: PidLimit) -> Self {
        Self {
            memory,
            pids,
            cpu: CpuShares(1024),
            open_files: OpenFiles::DEFAULT,
            shm: Bytes::new(64 << 20),
            logs: LogLimit::DEFAULT,
            oom: OomScore(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stay_inside_their_bounds() {
        assert_eq!(PidLimit::new(0).get(), 16);
        assert_eq!(CpuShares::new(u32::MAX).get(), 262_144);
        assert_eq!(OomScore::new(2000).get(), 1000);
        assert_eq!(OpenFiles::DEFAULT.at_most(20_000), OpenFiles::DEFAULT);
        assert_eq!(OpenFiles::DEFAULT.at_most(1024).get(), 1024);
        assert_eq!(OpenFiles::DEFAULT.at_most(u64::MAX), OpenFiles::DEFAULT);
    }
}
