//! Owns the way from arguments to the command that they ask for, and how an error is told. Never does what is asked itself.

use std::ffi::OsString;

use clap::Parser as _;
use clap::error::ErrorKind;
use homeport_host::plan::Kind;

use super::{
    config, daemon, deploy, exec, history, lifecycle, list, logs, offline, port, remove, repair, route, schedule,
    snapshot, status, trash, version, volume,
};
use crate::args::{
    Cli, Command, ConfigAction, DaemonAction, PortAction, RouteAction, SnapshotAction, TrashAction, VolumeAction,
};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::CutOff;
use crate::output::{self, Format, Report};

/// Runs the command that these arguments ask for, program name first, and says how it ended.
pub(crate) fn run(arguments: Vec<OsString>) -> Exit {
    let format = if asks_for_json(&arguments) { Format::Json } else { Format::Text };
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, format),
    };
    let done = Context::new(cli.global).and_then(|context| {
        let done = expect_root(&context, &cli.command).and_then(|()| perform(&context, cli.command));
        context.end_talk();
        done
    });
    match done {
        Ok(exit) => exit,
        Err(failure) if failure.is_closed_output() => Exit::Done,
        Err(failure) => {
            output::write_err(&Report::of(&failure).render(format));
            failure.exit()
        }
    }
}

/// A root that was named and is not there is a typo, unless the command makes it or does not use it.
fn expect_root(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Deploy(_)
        | Command::Daemon(DaemonAction::Run { .. } | DaemonAction::Hold)
        | Command::Snapshot(SnapshotAction::Import { .. })
        | Command::Volume(VolumeAction::Adopt { .. })
        | Command::Port(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(()),
        _ => context.expect_root(),
    }
}

/// What becomes of what a command began where a signal ends it; `None` of one that begins nothing, or minds signals itself.
const fn cut_off(command: &Command) -> Option<CutOff> {
    let kind = match command {
        Command::Deploy(_) => Kind::Deploy,
        Command::Start { .. } => Kind::Start,
        Command::Stop { .. } => Kind::Stop,
        Command::Restart { .. } => Kind::Restart,
        Command::Config { action: Some(ConfigAction::Set { .. } | ConfigAction::Unset { .. }), .. } => Kind::Config,
        Command::Upgrade(_) => Kind::Upgrade,
        Command::Rollback(_) => Kind::Rollback,
        Command::Snapshot(SnapshotAction::Restore { .. }) => Kind::Restore,
        Command::Volume(VolumeAction::Adopt { .. }) => Kind::Adopt,
        Command::Volume(VolumeAction::Move { .. }) => Kind::Move,
        Command::Remove { .. } => Kind::Remove,
        Command::Purge(_) => Kind::Purge,
        Command::Trash(TrashAction::Empty { .. }) => Kind::Empty,
        Command::Trash(TrashAction::Restore { .. }) | Command::Repair => return Some(CutOff::Either),
        Command::Snapshot(SnapshotAction::Create { .. }) => return Some(CutOff::NoSnapshot),
        _ => return None,
    };
    Some(CutOff::of(kind))
}

fn perform(context: &Context, command: Command) -> Result<Exit, Failure> {
    if let Some(cut_off) = cut_off(&command) {
        context.tell_cut_off(cut_off)?;
    }
    match command {
        Command::Deploy(args) => deploy::run(context, args),
        Command::List => list::run(context),
        Command::Status { name } => status::run(context, name.as_ref()),
        Command::Logs(args) => logs::run(context, &args),
        Command::Exec(args) => exec::run(context, args),
        Command::Start { name } => lifecycle::start(context, &name),
        Command::Stop { name } => lifecycle::stop(context, &name),
        Command::Restart { name } => lifecycle::restart(context, &name),
        Command::Config { name, action } => config::run(context, name, action),
        Command::Upgrade(args) => version::upgrade(context, args),
        Command::Rollback(args) => version::rollback(context, args),
        Command::History(args) => history::run(context, args),
        Command::Route(RouteAction::List) => route::list(context),
        Command::Route(RouteAction::Show { name, endpoint }) => route::show(context, &name, endpoint.as_ref()),
        Command::Route(RouteAction::Set(args)) => route::set(context, args),
        Command::Route(RouteAction::Top(args)) => route::top(context, &args),
        Command::Route(RouteAction::Metrics) => route::metrics(context),
        Command::Snapshot(action) => snapshot::run(context, action),
        Command::Schedule(action) => schedule::run(context, action),
        Command::Volume(action) => volume::run(context, action),
        Command::Remove { name, volumes: true, .. } => Err(remove::refuse_data(&name)),
        Command::Remove { name, dry_run, volumes: false } => remove::run(context, &name, dry_run),
        Command::Purge(args) => trash::purge(context, args),
        Command::Trash(action) => trash::run(context, action),
        Command::Repair => repair::run(context),
        Command::Daemon(DaemonAction::Run { take_over }) => daemon::run(context, take_over),
        Command::Daemon(DaemonAction::Hold) => daemon::hold(context),
        Command::Daemon(DaemonAction::Restart) => daemon::restart(context),
        Command::Daemon(DaemonAction::Status) => daemon::status(context),
        Command::Daemon(DaemonAction::Stop) => daemon::stop(context),
        Command::Port(PortAction::Info { port }) => port::info(context, &port),
        Command::Completions { shell } => offline::completions(context, shell),
        Command::Man { dir } => offline::man(context, &dir),
    }
}

/// Whether `--json` stands among the arguments of `homeport` itself, also where they make no sense otherwise.
fn asks_for_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Tells what is wrong with the command line, or the help or version that was asked for.
fn refuse(error: &clap::Error, format: Format) -> Exit {
    match (error.kind(), format) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, _) => {
            output::write_out(error.to_string().as_bytes()).ok();
            Exit::Done
        }
        (_, Format::Text) => {
            output::write_err(&error.to_string());
            Exit::Usage
        }
        (_, Format::Json) => {
            output::write_err(&Report::of_usage(&usage_message(&error.to_string())).render(format));
            Exit::Usage
        }
    }
}

/// What is wrong, on one line and without the advice that follows after an empty line.
fn usage_message(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_whole_and_without_the_usage() {
        let text = "error: the following required arguments were not provided:\n  <PORT>\n\nUsage: homeport";
        assert_eq!(usage_message(text), "the following required arguments were not provided: <PORT>");
    }

    #[test]
    fn json_is_asked_for_by_homeports_own_option_only() {
        let asks = |words: &[&str]| asks_for_json(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(asks(&["homeport", "--json", "list"]));
        assert!(asks(&["homeport", "nonsense", "--json"]));
        assert!(!asks(&["homeport", "exec", "a", "--", "x", "--json"]));
    }
}
