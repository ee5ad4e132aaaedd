//! Rules about programs that are run in a running container.

use std::collections::BTreeMap;
use std::time::Duration;

use homeport_core::unit::{Gid, Uid};
use homeport_host::engine::{ContainerUser, EngineError, ExecOutcome, ExecSpec, ExecStreams, ExitCode, Flow};

use super::{Bench, Outputs, fixture};

const fn exited(code: i64) -> ExecOutcome {
    ExecOutcome::Exited(ExitCode::new(code))
}

pub(crate) fn a_program_has_a_code_and_two_outputs(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    assert_eq!(bench.run(&container, &["both"]), (exited(7), "to out".to_owned(), "to err".to_owned()));
    bench.engine.kill(&container).unwrap();
    bench.engine.wait(&container, Duration::from_secs(20)).unwrap();
    let down = bench.engine.exec(&container, &fixture(&["both"]), ExecStreams::output(&mut |_, _| Flow::Continue));
    assert!(matches!(down, Err(EngineError::Conflict { .. })), "{down:?}");
}

pub(crate) fn a_program_reads_its_input(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    // More than any buffer on the way, so that both directions must move at once.
    let input: Vec<u8> = (0..2_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let mut outputs = Outputs::default();
    let streams = ExecStreams {
        input: Some(Box::new(std::io::Cursor::new(input.clone()))),
        output: &mut |stream, bytes| outputs.take(stream, bytes),
        resizes: None,
    };
    assert_eq!(bench.engine.exec(&container, &fixture(&["cat"]), streams).unwrap(), exited(0));
    assert!(outputs.out == input, "{} of {} bytes came back", outputs.out.len(), input.len());
    // Without an input it is at its end from the start.
    assert_eq!(bench.run(&container, &["cat"]).0, exited(0));
}

pub(crate) fn a_program_runs_as_whom_it_should(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    let out = |spec: &ExecSpec| bench.run_spec(&container, spec).1;
    assert_eq!(out(&fixture(&["who"])), "0:0");
    let user = ContainerUser { uid: Uid::new(1000), gid: Gid::new(1001) };
    assert_eq!(out(&ExecSpec { user: Some(user), ..fixture(&["who"]) }), "1000:1001");
    assert_eq!(out(&fixture(&["env", "GREETING"])), "hello");
    let env = BTreeMap::from([("GREETING".to_owned(), "good day = bye".to_owned())]);
    assert_eq!(out(&ExecSpec { env, ..fixture(&["env", "GREETING"]) }), "good day = bye");
}

pub(crate) fn a_program_runs_into_its_limit(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    let limit = Duration::from_millis(1500);
    let spec = ExecSpec { limit: Some(limit), ..fixture(&["hang"]) };
    let result = bench.engine.exec(&container, &spec, ExecStreams::output(&mut |_, _| Flow::Continue));
    assert!(matches!(result, Err(EngineError::Timeout { after, .. }) if after == limit), "{result:?}");
    assert!(bench.engine.inspect(&container).unwrap().unwrap().state.is_running());
}

pub(crate) fn a_program_can_be_left_alone(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    let result = bench.engine.exec(&container, &fixture(&["both"]), ExecStreams::output(&mut |_, _| Flow::Stop));
    assert_eq!(result.unwrap(), ExecOutcome::Abandoned);
}

pub(crate) fn a_program_that_is_not_there_ends_with_a_code(bench: &Bench) {
    let container = bench.started("a", &["serve"]);
    let (outcome, out, err) = bench.run_spec(&container, &ExecSpec::new(["/missing"]));
    assert!(outcome == exited(126) || outcome == exited(127), "{outcome:?}");
    assert!(format!("{out}{err}").contains("/missing"), "{out}{err}");
}
