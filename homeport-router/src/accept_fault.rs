//! Owns what a failed `accept` means for those who come next. Never accepts, and never waits.

use std::io;

use rustix::io::Errno;

/// What a failed `accept` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// This one client is gone; the next may be served at once.
    Client,
    /// The process or the machine lacks something; the client still waits, and asking again at once changes nothing.
    Resources,
}

impl AcceptFault {
    pub(crate) fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            // Linux reports errors that a connection already has through accept; accept(2) names them.
            Some(
                Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
                | Errno::NETDOWN
                | Errno::TIMEDOUT
                | Errno::CONNRESET,
            ) => Self::Client,
            _ => Self::Resources,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lack_of_resources_makes_the_acceptor_pause() {
        for (errno, fault) in [
            (Errno::CONNABORTED, AcceptFault::Client),
            (Errno::PROTO, AcceptFault::Client),
            (Errno::NETDOWN, AcceptFault::Client),
            (Errno::HOSTUNREACH, AcceptFault::Client),
            (Errno::MFILE, AcceptFault::Resources),
            (Errno::NFILE, AcceptFault::Resources),
            (Errno::NOBUFS, AcceptFault::Resources),
            (Errno::NOMEM, AcceptFault::Resources),
            (Errno::PERM, AcceptFault::Resources),
            (Errno::BADF, AcceptFault::Resources),
        ] {
            assert_eq!(AcceptFault::of(&errno.into()), fault, "{errno}");
        }
    }
}
