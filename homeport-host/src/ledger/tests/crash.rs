//! Processes that are killed while they write, and processes that read beside them.
//!
//! The children are this test binary again, told by the environment which root to work in.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::sample::{Root, config, instance, lock, operation, route, volume};
use crate::layout::Layout;
use crate::ledger::*;

const KILLS: u32 = 200;
const STEPS: u32 = 4;
const ROOT: &str = "HOMEPORT_LEDGER_TEST_ROOT";

/// A child that is gone with the value, and known to be gone.
struct Running(Child);

impl Running {
    /// Runs one test of this binary in a process of its own, on this root.
    fn start(test: &str, root: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROOT, root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn told_root() -> Option<PathBuf> {
    std::env::var_os(ROOT).map(PathBuf::from)
}

/// One whole operation: what it writes carries its number everywhere.
fn one_operation(writer: &mut LedgerWriter<'_>, number: u32) -> Result<(), LedgerError> {
    let id = writer.begin_operation(&operation("alice", STEPS as usize))?;
    for index in 0..STEPS {
        writer.step_begun(id, index)?;
        if index == 1 {
            write_number(writer, number)?;
        }
        writer.step_done(id, index)?;
    }
    writer.finish_operation(id, OperationEnd::Done, &number.to_string()).map(|_| ())
}

fn write_number(writer: &mut LedgerWriter<'_>, number: u32) -> Result<(), LedgerError> {
    let name = "alice".parse().unwrap();
    writer.together(|writer| {
        writer.remove_instance(&name)?;
        writer.put_instance(&InstanceRecord { reference: number.to_string(), ..instance("alice") })?;
        writer.put_config(&name, &config(number.into()))?;
        let choice = if number.is_multiple_of(2) { RouteChoice::Fixed } else { RouteChoice::Random };
        writer.put_route(&RouteRecord { choice, ..route("alice", "ssh", "*", 22) })?;
        writer.put_volume(&VolumeRecord { generation: number.into(), ..volume(1, "alice", "home") }).map(|_| ())
    })
}

/// The number that everything carries, 0 where nothing was written yet; anything half written panics.
fn checked_number(ledger: &Ledger) -> u32 {
    let name = "alice".parse().unwrap();
    ledger
        .at_one_moment(|ledger| {
            let (instances, routes, volumes) = (ledger.instances()?, ledger.all_routes()?, ledger.all_volumes()?);
            let Some(record) = instances.first() else {
                assert!(routes.is_empty() && volumes.is_empty() && ledger.config(&name)? == InstanceConfig::default());
                return Ok(0);
            };
            let number: u32 = record.reference.parse().unwrap();
            assert_eq!(ledger.config(&name)?, config(number.into()));
            assert_eq!((instances.len(), routes.len(), volumes.len()), (1, 1, 1));
            assert_eq!(volumes[0].generation, u64::from(number));
            assert_eq!(routes[0].choice == RouteChoice::Fixed, number.is_multiple_of(2));
            Ok::<_, LedgerError>(number)
        })
        .unwrap()
}

/// Checks that an open operation has all its steps, and that they are done in order up to where it was cut off.
fn checked_steps(ledger: &Ledger) -> Option<OperationId> {
    let (operation, steps) = ledger.open_operation().unwrap()?;
    assert_eq!(steps.len(), STEPS as usize, "half an operation was begun");
    let rank = |state| match state {
        StepState::Done => 0,
        StepState::Begun => 1,
        StepState::Planned => 2,
        other => panic!("nobody wrote {other}"),
    };
    assert!(steps.is_sorted_by_key(|step| rank(step.state)), "{steps:?}");
    assert!(steps.iter().filter(|step| step.state == StepState::Begun).count() <= 1, "{steps:?}");
    Some(operation.id)
}

/// Finishes what a killed process left, as the next command does.
fn settle(writer: &mut LedgerWriter<'_>) {
    if let Some(id) = checked_steps(writer) {
        for index in 0..STEPS {
            let begun = writer.operation(id).unwrap().unwrap().1[index as usize].state;
            if begun != StepState::Done {
                writer.step_begun(id, index).unwrap();
                writer.step_done(id, index).unwrap();
            }
        }
        writer.finish_operation(id, OperationEnd::Done, "resumed").unwrap();
    }
}

/// As a child: writes operations and says each number that is on the disk, until it is killed. Else: 20 of them.
#[test]
fn a_writer_numbers_whole_operations() {
    let told = told_root();
    let root = Root::new();
    let layout = told.as_deref().map_or_else(|| root.layout.clone(), |path| Layout::under(path).unwrap());
    let lock = lock(&layout);
    let mut writer = LedgerWriter::open(&lock).unwrap();
    settle(&mut writer);
    let first = checked_number(&writer) + 1;
    let last = if told.is_some() { u32::MAX } else { first + 19 };
    for number in first..=last {
        one_operation(&mut writer, number).unwrap();
        // The note goes past the test harness, whole: a line and nothing of its own.
        let mut out = std::io::stdout().lock();
        writeln!(out, "on disk {number}").unwrap();
        out.flush().unwrap();
    }
    assert_eq!((checked_number(&writer), checked_steps(&writer)), (last, None));
}

#[test]
fn a_writer_killed_at_any_instant_leaves_whole_writes_and_loses_none_that_it_reported() {
    let mut root = Root::new();
    let (mut cut_off, mut written, mut empty) = (0, 0, 0);
    for round in 0..KILLS {
        // A fresh root now and then, so that the making of the file is cut off too.
        if round % 8 == 0 {
            root = Root::new();
        }
        let top = root.layout.state_dir().parent().unwrap();
        let mut child = Running::start("ledger::tests::crash::a_writer_numbers_whole_operations", top);
        let pause = u64::from(round.wrapping_mul(2_654_435_761) >> 16) % 32_000;
        std::thread::sleep(Duration::from_micros(pause));
        child.kill();
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let reported: u32 =
            lines.filter_map(|line| line.split_once("on disk ")?.1.parse().ok()).last().unwrap_or_default();

        let read = checked_number(&root.ledger());
        assert!(read >= reported, "round {round}: {reported} was on the disk, and {read} is");
        checked_steps(&root.ledger());
        let lock = root.lock();
        let mut writer = LedgerWriter::open(&lock).unwrap();
        let number = checked_number(&writer);
        assert_eq!(number, read, "round {round}");
        empty += u32::from(number == 0);
        written += u32::from(number > 0);
        cut_off += u32::from(checked_steps(&writer).is_some());
        settle(&mut writer);
        assert_eq!(writer.open_operation().unwrap(), None);
    }
    println!("{KILLS} kills: {cut_off} inside an operation, {empty} before the first, {written} after");
    assert!(cut_off >= KILLS / 10 && empty > 0, "the kills came at the wrong times: {cut_off} {empty} {written}");
}

/// As a child: opens the ledger again and again and wants a whole answer each time. Else: of a ledger that is none.
#[test]
fn a_reader_wants_whole_answers() {
    let told = told_root();
    let root = Root::new();
    let layout = told.as_deref().map_or_else(|| root.layout.clone(), |path| Layout::under(path).unwrap());
    let mut last = 0;
    for _ in 0..150 {
        let number = checked_number(&Ledger::open(&layout).unwrap());
        assert!(number >= last, "{number} after {last}");
        last = number;
    }
    assert!(told.is_none() == (last == 0), "{last}");
}

#[test]
fn many_processes_read_while_one_writes() {
    let root = Root::new();
    let top = root.layout.state_dir().parent().unwrap();
    let lock = root.lock();
    let mut number = 1;
    one_operation(&mut LedgerWriter::open(&lock).unwrap(), number).unwrap();
    let mut readers: BTreeMap<u32, Running> =
        (0..6).map(|n| (n, Running::start("ledger::tests::crash::a_reader_wants_whole_answers", top))).collect();
    while !readers.is_empty() {
        // The writer comes and goes too: its end empties the log under the readers.
        let mut writer = LedgerWriter::open(&lock).unwrap();
        for _ in 0..3 {
            number += 1;
            one_operation(&mut writer, number).unwrap();
        }
        readers.retain(|n, reader| match reader.0.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success(), "reader {n}: {status}");
                false
            }
            None => true,
        });
    }
    assert!(number > 10, "{number}");
}
