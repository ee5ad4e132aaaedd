//! Every system call of every step, struck one at a time: the process is killed before it, or the call fails because the
//! disk does or because it is full. `strace` strikes; the step runs in a process of its own.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::adopt::Adoptions;
use crate::collection::Collections;
use crate::discipline;
use crate::disk::{Blocks, Kind, Mounted};
use crate::effort;
use crate::exchange::Restores;
use crate::purge::Purges;
use crate::replay::mount_point;
use crate::snapshots::{Before, Snapshots};
use crate::stage::Stage;
use crate::volume::Volume;
use crate::workload::{Scene, Workload};

/// Says to the process that it is the victim, and which workload, step and place are its own.
const VICTIM: &str = "HOMEPORT_CRASH_VICTIM";
/// Where its step begins and ends, as a path that is looked for.
const BEGIN: &str = "/homeport-crash/begin";
const END: &str = "/homeport-crash/end";
/// What the victim says before its word.
const PROMISED: &str = "promised: ";

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    InputOutput,
    NoSpace,
}

impl Blow {
    fn inject(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::InputOutput => "error=EIO",
            Self::NoSpace => "error=ENOSPC",
        }
    }
}

/// The `nth` use of a call by the whole process.
#[derive(Debug, Clone)]
struct Strike {
    call: String,
    nth: usize,
    blow: Blow,
}

/// Calls that have nothing to do with files, and those that cannot fail in a way that anybody could act upon.
const OTHERS: [&str; 31] = [
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "clone3",
    "close",
    "execve",
    "exit",
    "exit_group",
    "futex",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getrandom",
    "gettid",
    "getuid",
    "kill",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "poll",
    "prlimit64",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sched_yield",
    "sigaltstack",
];
/// Calls that change what is on the disk, or make it last.
const CHANGES: [&str; 24] = [
    "chmod",
    "chown",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fdatasync",
    "fremovexattr",
    "fsetxattr",
    "fsync",
    "ftruncate",
    "linkat",
    "mkdirat",
    "mknodat",
    "pwrite64",
    "renameat",
    "renameat2",
    "symlinkat",
    "syncfs",
    "unlinkat",
    "utimensat",
    "write",
];
/// A failure of these must never be followed by a promise. [spec: STO-4]
const SYNCS: [&str; 3] = ["fdatasync", "fsync", "syncfs"];

fn with_workload<T>(name: &str, scratch: &Path, act: impl Act<T>) -> T {
    let scratch = scratch.to_owned();
    match name {
        "volume" => act.on(&Volume),
        "restores" => act.on(&Restores),
        "purges" => act.on(&Purges),
        "adoptions" => act.on(&Adoptions),
        "snapshots" => act.on(&Snapshots { scratch, before: Before::Nothing }),
        "collections" => act.on(&Collections { scratch }),
        other => panic!("{other}"),
    }
}

/// Something that is done with any workload.
trait Act<T> {
    fn on<W: Workload>(self, workload: &W) -> T;
}

/// One step of a workload at a place.
struct Step<'a> {
    root: &'a Path,
    step: usize,
}

impl Act<Result<String, String>> for Step<'_> {
    fn on<W: Workload>(self, workload: &W) -> Result<String, String> {
        let _nothing = std::fs::metadata(BEGIN);
        let done = workload.step(self.root, self.step);
        let _nothing = std::fs::metadata(END);
        done
    }
}

/// Runs in a process of its own, under `strace`; does nothing in an ordinary test run.
#[test]
fn victim() {
    let Ok(what) = std::env::var(VICTIM) else { return };
    let [name, step, root] = what.splitn(3, ':').collect::<Vec<_>>()[..] else { panic!("{what}") };
    let step = Step { root: Path::new(root), step: step.parse().unwrap() };
    let done = with_workload(name, Path::new("/nowhere"), step);
    println!("{PROMISED}{}", done.unwrap());
}

/// Runs a step of a workload under `strace` with these arguments.
fn run_step(name: &str, step: usize, args: &[&str]) -> Output {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(args)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "calls::victim", "--nocapture", "--test-threads=1"])
        .env(VICTIM, format!("{name}:{step}:{}", mount_point_of_this().display()))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("strace is needed")
}

/// The same place as that of the stage, whose process this one is.
fn mount_point_of_this() -> std::path::PathBuf {
    Path::new(&std::env::var_os(crate::stage::PLACE).unwrap()).join("fs")
}

/// The word of a step that came to its promise.
fn promised(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().find_map(|line| Some(line.split_once(PROMISED)?.1.to_owned()))
}

/// Every strike that is possible, by the calls that the step was seen to make.
fn strikes(log: &str) -> Vec<Strike> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut within, mut strikes) = (false, Vec::new());
    for line in log.lines() {
        // `123 openat(3, ...`; the rest of a call that was interrupted counts no second time.
        let line = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let Some((call, args)) = line.split_once('(') else { continue };
        if call.contains(' ') || call.contains('<') {
            continue;
        }
        within = if args.contains(BEGIN) { true } else { within && !args.contains(END) };
        let nth = counts.entry(call.to_owned()).or_default();
        *nth += 1;
        let says = matches!(call, "write" | "writev") && (args.starts_with("1<") || args.starts_with("2<"));
        // Looking at other processes' mounts is most of a check, and says nothing about the disk.
        let elsewhere = ["\"/proc", "</proc", "\"/sys", "</sys"].iter().any(|place| args.contains(place));
        if !within || OTHERS.contains(&call) || says || elsewhere || args.contains(BEGIN) {
            continue;
        }
        let strike = |blow| Strike { call: call.to_owned(), nth: *nth, blow };
        strikes.push(strike(Blow::InputOutput));
        if CHANGES.contains(&call) || args.contains("O_CREAT") {
            strikes.extend([strike(Blow::Kill), strike(Blow::NoSpace)]);
        }
    }
    strikes
}

/// What may come back after a power cut, whatever was promised: directories without anything in them, a tree that was
/// never in use and is half deleted, what a dead writer left,
/// and the file that is made and removed to see whether the disk takes any.
fn is_unimportant(what: &str) -> bool {
    let places = [
        "/volumes`",
        "/volumes/alice`",
        "/volume/.homeport`",
        "/operators bob/.homeport`",
        "/.homeport/staging`",
        "/store/tmp`",
    ];
    what.starts_with("names are gone from") && places.iter().any(|place| what.contains(place))
}

/// All strikes on these steps of a workload; on all steps where everything is tried. Each step is watched.
struct Struck<'a> {
    stage: &'a Stage,
    name: &'a str,
    steps: &'a [usize],
}

impl Act<()> for Struck<'_> {
    fn on<W: Workload>(self, workload: &W) {
        let begun = std::time::Instant::now();
        let point = mount_point(self.stage);
        let (mut disk, mut known) = self.prepared(workload);
        let (mut tried, mut wrong) = (0, Vec::new());
        for step in 0..W::STEPS {
            let log = self.stage.at("strace.log");
            let image = self.mounted(&disk);
            let output = run_step(self.name, step, &["-y", "-o", log.to_str().unwrap()]);
            let word = promised(&output).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
            workload.promise(&point, &mut known, step, &word);
            let after = image.content(self.stage);
            let log = std::fs::read_to_string(&log).unwrap();
            let broken = discipline::broken(&log, BEGIN, END, is_unimportant);
            wrong.extend(broken.into_iter().map(|what| format!("step {step} made its promise, and {what}")));
            let all = strikes(&log);
            let wanted = self.steps.contains(&step) || (effort::exhaust() && !self.steps.is_empty());
            for strike in all.into_iter().filter(|_| wanted) {
                let image = self.mounted(&disk);
                let verdict = self.strike(workload, &known, step, &strike);
                drop(image);
                tried += 1;
                wrong.extend(verdict.err().map(|what| format!("step {step}, {strike:?}: {what}")));
            }
            disk = after;
        }
        println!("{}: {tried} strikes, {} violations, {:.1} s", self.name, wrong.len(), begun.elapsed().as_secs_f32());
        assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
    }
}

/// A disk that is mounted from a file of its own.
struct Image(Option<Mounted>);

impl Image {
    fn content(mut self, stage: &Stage) -> Blocks {
        drop(self.0.take());
        Blocks::load(&stage.at("struck.img"))
    }
}

impl Struck<'_> {
    fn prepared<W: Workload>(&self, workload: &W) -> (Blocks, W::Known) {
        let image = self.mounted(&Kind::Ext4.make(self.stage));
        let point = mount_point(self.stage);
        workload.prepare(&point);
        let known = workload.begin(&point);
        (image.content(self.stage), known)
    }

    fn mounted(&self, disk: &Blocks) -> Image {
        let file = self.stage.at("struck.img");
        // A fresh file each time: a loop device may still show what it held before.
        let _none = std::fs::remove_file(&file);
        disk.save(&file);
        Image(Some(Mounted::new(&file, &mount_point(self.stage))))
    }

    fn strike<W: Workload>(&self, workload: &W, known: &W::Known, step: usize, strike: &Strike) -> Result<(), String> {
        let Strike { call, nth, blow } = strike;
        let inject = format!("inject={call}:{}:when={nth}", blow.inject());
        let trace = format!("trace={call}");
        let output = run_step(self.name, step, &["--seccomp-bpf", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
        let word = promised(&output);
        let killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
        if word.is_none() && *blow == Blow::Kill && !killed {
            return Err(format!("it failed and was not killed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        if word.is_some() && SYNCS.contains(&call.as_str()) && *blow == Blow::InputOutput {
            return Err("a sync failed, and success was promised".into());
        }
        let root = mount_point(self.stage);
        let steps = step + usize::from(word.is_some());
        workload.judge(&Scene { root: &root, steps, word: word.as_deref(), earlier: 0 }, known)
    }
}

/// Every step of every workload, watched and not struck.
#[test]
fn everything_is_synced_before_it_is_promised() {
    crate::stage::alone(concat!(module_path!(), "::everything_is_synced_before_it_is_promised"), |stage| {
        let scratch = stage.directory("scratch");
        for name in ["volume", "restores", "purges", "adoptions", "snapshots", "collections"] {
            with_workload(name, &scratch, Struck { stage, name, steps: &[] });
        }
    });
}

/// A test for each workload.
macro_rules! struck_everywhere {
    ($($test:ident $name:literal $steps:expr)*) => {
        $(
            #[test]
            fn $test() {
                crate::stage::alone(concat!(module_path!(), "::", stringify!($test)), |stage| {
                    let scratch = stage.directory("scratch");
                    with_workload($name, &scratch, Struck { stage, name: $name, steps: &$steps });
                });
            }
        )*
    };
}

struck_everywhere! {
    making_and_using_a_volume "volume" [0, 1]
    restoring_and_taking_back "restores" [0, 1, 2, 7]
    purging_and_emptying "purges" [0, 1, 3, 4, 7]
    adopting_and_taking_back "adoptions" [0, 1]
    taking_snapshots "snapshots" [0, 2]
    collecting "collections" [0, 1, 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_are_counted_from_the_beginning_and_aimed_at_the_step_alone() {
        let log = "7 fsync(3) = 0\n7 statx(AT_FDCWD, \"/homeport-crash/begin\", 0) = -1\n7 fsync(4) = 0\n\
                   7 openat(3, \"x\", O_WRONLY|O_CREAT) = 5\n7 write(1</dev/pts/0>, \"said\") = 4\n7 mmap(NULL) = 1\n\
                   7 --- SIGCHLD {} ---\n7 <... futex resumed>) = 0\n7 read(5, \"\") = 0\n7 read(6</proc/1/mountinfo>, \"\") = 0\n\
                   7 statx(AT_FDCWD, \"/homeport-crash/end\", 0) = -1\n7 fsync(9) = 0\n";
        let seen: Vec<String> =
            strikes(log).iter().map(|strike| format!("{} {} {:?}", strike.call, strike.nth, strike.blow)).collect();
        assert_eq!(
            seen,
            [
                "fsync 2 InputOutput",
                "fsync 2 Kill",
                "fsync 2 NoSpace",
                "openat 1 InputOutput",
                "openat 1 Kill",
                "openat 1 NoSpace",
                "read 1 InputOutput"
            ]
        );
    }
}
