//! Owns the few calls that have no safe form: the signal mask, the queue that signals arrive in, and what a child does
//! between its birth and its program. Everything else of the sdk is safe code.
//! Never decides which signal means what.

#![expect(
    unsafe_code,
    reason = "signal masks, dispositions, signalfd and pre_exec have no safe form; each block says why it is sound"
)]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Gid, Uid};

/// What a signal asks of init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A child ended.
    Reap,
    /// TERM or INT. [spec: ENT-33]
    Stop,
    /// HUP. [spec: ENT-34]
    Reload,
}

/// The signals that init takes, and what each asks.
const TAKEN: [(libc::c_int, Asked); 4] = [
    (libc::SIGCHLD, Asked::Reap),
    (libc::SIGTERM, Asked::Stop),
    (libc::SIGINT, Asked::Stop),
    (libc::SIGHUP, Asked::Reload),
];

/// The signals that init takes, in the order in which they came; the kernel keeps them until they are read.
#[derive(Debug)]
pub(crate) struct SignalQueue(OwnedFd);

impl SignalQueue {
    /// Makes the queue. From now on these signals interrupt nothing and none of them is lost, not even those that come
    /// while the port is being prepared.
    pub(crate) fn open() -> io::Result<Self> {
        let mut set = empty_set();
        for (signal, _) in TAKEN {
            // SAFETY: `set` is an initialised signal set, `signal` a valid number. A disposition of "ignore" that was
            // inherited would make the kernel drop the signal although it is blocked; no handler is replaced, since
            // this program installs none.
            unsafe {
                libc::sigaddset(&raw mut set, signal);
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        // SAFETY: both calls read `set`, which is initialised; the null pointer says that the old mask is not wanted.
        let fd = unsafe {
            if libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made `fd` and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal; `None` when there is none waiting.
    pub(crate) fn next(&self) -> Option<Asked> {
        let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let read = rustix::io::read(&self.0, &mut record).ok()?;
        let number = u32::from_ne_bytes(record.get(..4).filter(|_| read == record.len())?.try_into().ok()?);
        TAKEN.into_iter().find(|(signal, _)| u32::try_from(*signal) == Ok(number)).map(|(_, asked)| asked)
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the whole set that it is given.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

/// What init was started with beyond standard error is of no business to its children. [spec: ENT-36]
pub(crate) fn close_on_exec_above_stderr() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: marks descriptors, closes none and touches no memory. Where the kernel is too old or forbids the call
    // nothing happens; every descriptor that this program opens is marked anyway.
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// Lets the pages of the program's code go that only the start needed: they come back from the file when they are used.
/// An idle init is mostly code, and little of it runs.
pub(crate) fn let_go_of_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(code_of_a_file) {
        // SAFETY: the range is one mapping of this process that can be executed and not written, of a file: none of its
        // pages differs from the file, so that reading one again gives the same bytes.
        unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(start), length, libc::MADV_DONTNEED) };
    }
}

/// Start and length of a mapping that is code out of a file: `2000-3000 r-xp 0 08:01 77 /port/init`.
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (rights, inode) = (fields.next()?, fields.nth(2)?);
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (rights == "r-xp" && inode != "0").then_some((start, end.checked_sub(start)?))
}

/// Whether a child leads a process group or a session of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// A process group.
    Group,
    /// A session, and with it a process group; it has no terminal.
    Session,
}

/// Whom a child runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// As init: where init is no root itself and the same is asked for.
    Kept,
    /// As these.
    Changed {
        /// The user.
        uid: Uid,
        /// The group.
        gid: Gid,
        /// The other groups.
        groups: Vec<Gid>,
    },
}

/// What a child does between its birth and its program. [spec: ENT-36]
#[derive(Debug, Clone)]
pub(crate) struct Birth {
    /// What it leads.
    pub(crate) leads: Leads,
    /// Whom it runs as.
    pub(crate) identity: Identity,
    /// Where it runs.
    pub(crate) directory: CString,
}

impl Birth {
    /// Arranges that `command`'s child does all of it before its program starts.
    pub(crate) fn arrange(self, command: &mut Command) {
        // SAFETY: the closure runs in the child of a process with one thread, and only makes system calls: it takes no
        // lock, allocates nothing (an error is made of a number) and what it reads was made before the fork.
        unsafe {
            command.pre_exec(move || self.carry_out());
        }
    }

    fn carry_out(&self) -> io::Result<()> {
        match self.leads {
            Leads::Group => rustix::process::setpgid(None, None)?,
            Leads::Session => drop(rustix::process::setsid()?),
        }
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        if let Identity::Changed { uid, gid, groups } = &self.identity {
            rustix::thread::set_thread_groups(groups)?;
            rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?;
            rustix::thread::set_thread_res_uid(*uid, *uid, *uid)?;
        }
        rustix::process::chdir(self.directory.as_c_str())?;
        rustix::thread::set_no_new_privs(true)?;
        close_on_exec_above_stderr();
        let none = empty_set();
        let default = [0_u64; 4];
        for signal in 1..=64 {
            // SAFETY: `default` is a whole zeroed `struct sigaction` of the kernel, which means the default disposition;
            // 8 is the size of the kernel's signal set. The system call is made directly because the C library keeps
            // two of the numbers to itself; KILL and STOP are refused without harm.
            unsafe {
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), 8_usize)
            };
        }
        // SAFETY: reads `none`, which is initialised; the old mask is not wanted.
        if unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_out_of_a_file_is_let_go() {
        for (line, wanted) in [
            ("2000-5000 r-xp 00001000 08:01 77   /port/init", Some((0x2000, 0x3000))),
            ("2000-5000 r--p 00001000 08:01 77   /port/init", None),
            ("2000-5000 rwxp 00001000 08:01 77   /port/init", None),
            ("7fff0000-7fff2000 r-xp 00000000 00:00 0   [vdso]", None),
            ("nonsense", None),
        ] {
            assert_eq!(code_of_a_file(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_program_that_let_its_code_go_runs_on() {
        let_go_of_code();
        assert!(std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter_map(code_of_a_file).count() > 0);
    }
}
