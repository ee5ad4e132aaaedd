//! `homeport snapshot`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use homeport_host::Host;
use homeport_host::engine::Flow;
use homeport_host::operation::{
    OperationError, TakenOut, snapshot_acknowledge, snapshot_create, snapshot_diff, snapshot_export, snapshot_files,
    snapshot_give_up, snapshot_import, snapshot_list, snapshot_prune, snapshot_rehearse, snapshot_restore,
    snapshot_show, snapshot_take_out, snapshot_verify, store_begin,
};
use homeport_host::request::{
    BeginStoreRequest, Depth, DeviceNodes, DiffRequest, ExportRequest, FilesRequest, GiveUpRequest, Policy,
    PruneRequest, PruneWish, RestoreRequest, SnapshotChoice, SnapshotRef, SnapshotRequest, TakeOutRequest, TreePath,
    VerifyRequest,
};

use super::consent::tell;
use crate::args::{SnapshotAction, Which};
use crate::context::{Context, absolute};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Acknowledged, file_line, write_out};

/// How many bytes of lines are written at once.
const AT_ONCE: usize = 1 << 16;

impl From<Which> for SnapshotChoice {
    fn from(which: Which) -> Self {
        Self { instance: which.name, snapshot: which.snapshot }
    }
}

pub(super) fn run(context: &Context, action: SnapshotAction) -> Result<Exit, Failure> {
    let host = context.host()?;
    match action {
        SnapshotAction::Create { name, note } => {
            let made = snapshot_create(&host, &SnapshotRequest { instance: name, note })?;
            context.print(&made)?;
        }
        SnapshotAction::List { name } => {
            context.print(&snapshot_list(&host, name.as_ref())?)?;
        }
        SnapshotAction::Files { name, snapshot, volume, path } => {
            let which = SnapshotChoice { instance: name, snapshot };
            files(context, &host, FilesRequest { which, volume, path: tree_path(&path)? })?;
        }
        SnapshotAction::Show(which) => context.print(&snapshot_show(&host, &which.into())?)?,
        SnapshotAction::Verify { name, snapshot, quick } => {
            let depth = if quick { Depth::Quick } else { Depth::Full };
            let found = snapshot_verify(&host, &VerifyRequest { instance: name, snapshot, depth })?;
            let exit = if found.is_whole() { Exit::Done } else { Exit::Host };
            return context.print_as(&found, exit);
        }
        SnapshotAction::Diff { name, from, to, limit } => {
            let request = DiffRequest { instance: name, from, to, limit };
            context.print(&snapshot_diff(&host, &request)?)?;
        }
        SnapshotAction::Restore { which, volume, devices, consent } => {
            let request = RestoreRequest {
                which: which.into(),
                volumes: volume.into_iter().collect(),
                devices: if devices { DeviceNodes::Make } else { DeviceNodes::Refuse },
                execution: consent.execution(),
                approve: consent.approve,
            };
            return tell(context, &snapshot_restore(&host, &request)?);
        }
        SnapshotAction::Extract { name, snapshot, volume, path, to, devices } => {
            let path = tree_path(&path)?;
            let which = SnapshotChoice { instance: name, snapshot };
            let devices = if devices { DeviceNodes::Make } else { DeviceNodes::Refuse };
            let request = TakeOutRequest { which, volume, path, to: place(to)?, devices };
            context.print(&take_out(&host, request)?)?;
        }
        SnapshotAction::Prune { name, snapshots, keep, consent } => {
            let what = wish(snapshots, keep);
            let execution = consent.execution();
            let request = PruneRequest { instance: name, what, execution, approve: consent.approve };
            return tell(context, &snapshot_prune(&host, &request)?);
        }
        SnapshotAction::GiveUp { file, consent } => {
            let request = GiveUpRequest { file, execution: consent.execution(), approve: consent.approve };
            return tell(context, &snapshot_give_up(&host, &request)?);
        }
        SnapshotAction::BeginStore { consent } => {
            let request = BeginStoreRequest { execution: consent.execution(), approve: consent.approve };
            return tell(context, &store_begin(&host, &request)?);
        }
        SnapshotAction::Export { name, snapshot, file } => {
            let which = SnapshotChoice { instance: name, snapshot };
            let request = ExportRequest { which, to: place(file)? };
            context.print(&snapshot_export(&host, &request)?)?;
        }
        SnapshotAction::Import { file } => {
            context.print(&snapshot_import(&host, &place(file)?)?)?;
        }
        SnapshotAction::Rehearse(which) => context.print(&snapshot_rehearse(&host, &which.into())?)?,
        SnapshotAction::Acknowledge { name, snapshot, note } => {
            let (instance, which) = (name.clone(), SnapshotChoice { instance: name, snapshot });
            let outcome = snapshot_acknowledge(&host, &which, &note)?;
            context.print(&Acknowledged { outcome, instance })?;
        }
    }
    Ok(Exit::Done)
}

/// Lists files as they come. A path may be the escaped text that other commands print, as for `take_out`.
fn files(context: &Context, host: &Host, request: FilesRequest) -> Result<(), Failure> {
    match list_files(context, host, &request) {
        Err(Failure::Operation(error)) if is_missing_entry(&error) => match meant(&request.path) {
            Some(path) => list_files(context, host, &FilesRequest { path, ..request }),
            None => Err(Failure::Operation(error)),
        },
        done => done,
    }
}

fn is_missing_entry(error: &OperationError) -> bool {
    matches!(error, OperationError::Data(error) if error.is_missing_entry())
}

fn list_files(context: &Context, host: &Host, request: &FilesRequest) -> Result<(), Failure> {
    let (mut pending, mut written) = (String::new(), Ok(()));
    let listed = snapshot_files(host, request, &mut |file| {
        written = file_line(context.format(), file).map_err(std::io::Error::from).and_then(|line| {
            pending.push_str(&line);
            if pending.len() < AT_ONCE {
                return Ok(());
            }
            write_out(std::mem::take(&mut pending).as_bytes())
        });
        if written.is_ok() { Flow::Continue } else { Flow::Stop }
    });
    written.and_then(|()| write_out(pending.as_bytes())).map_err(Failure::Output)?;
    listed?;
    Ok(())
}

/// Takes a part out. Where nothing is called what was typed, it may have been copied from what other commands print,
/// which is escaped.
fn take_out(host: &Host, request: TakeOutRequest) -> Result<TakenOut, OperationError> {
    match snapshot_take_out(host, &request) {
        Err(OperationError::Data(error)) if error.is_missing_entry() => match meant(&request.path) {
            Some(path) => snapshot_take_out(host, &TakeOutRequest { path, ..request }),
            None => Err(error.into()),
        },
        done => done,
    }
}

/// The path that `path` is the escaped text of, where that is another one.
fn meant(path: &TreePath) -> Option<TreePath> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    text.parse().ok().filter(|meant| meant != path)
}

/// A file or directory of a person's. Snapshots go to a file that appears when it is whole, never down a pipe.
fn place(path: PathBuf) -> Result<PathBuf, Failure> {
    if path.as_os_str() == "-" {
        return Err(Failure::Usage {
            message:
                "`-` names no place: snapshots are neither written to standard output nor read from standard input"
                    .to_owned(),
            help: "name a file; one that is really called like that is `./-`",
        });
    }
    absolute(path)
}

/// The path in a volume, as bytes: `./mail/` is `mail`.
fn tree_path(text: &OsStr) -> Result<TreePath, Failure> {
    let bytes = text.as_bytes();
    let is_relative = !bytes.is_empty() && !bytes.starts_with(b"/");
    let names = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let plain = names.collect::<Vec<_>>().join(&b'/');
    let path = match (is_relative, plain.is_empty()) {
        (true, true) => Ok(TreePath::root()),
        (true, false) => TreePath::from_bytes(plain),
        (false, _) => TreePath::from_bytes(bytes),
    };
    path.map_err(|error| Failure::Usage {
        message: format!("`{}` is no path in a volume: {error}", text.display()),
        help: "name it from the volume's top, for example `mail/inbox`; `.` is all of it",
    })
}

/// What is to be pruned.
fn wish(snapshots: Vec<SnapshotRef>, keep: Option<Policy>) -> PruneWish {
    match keep {
        Some(policy) => PruneWish::ByPolicy(policy),
        None if snapshots.is_empty() => PruneWish::BySchedule,
        None => PruneWish::Named(snapshots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_volume_is_read_as_people_type_it() {
        for (typed, path) in [
            (".", "."),
            ("./", "."),
            ("mail/", "mail"),
            ("./mail/./inbox//new/", "mail/inbox/new"),
            ("a/.b", "a/.b"),
            ("a\\040b", "a\\134040b"),
        ] {
            assert_eq!(tree_path(OsStr::new(typed)).unwrap().to_string(), path, "{typed}");
        }
        for typed in ["", "/", "/mail", "..", "mail/../..", "./../mail"] {
            assert!(tree_path(OsStr::new(typed)).is_err(), "{typed}");
        }
    }

    #[test]
    fn an_escaped_path_stands_for_the_path_only_where_it_is_another_one() {
        let path = |bytes: &[u8]| TreePath::from_bytes(bytes).unwrap();
        assert_eq!(meant(&path(b"a\\040b")), Some(path(b"a b")));
        for other in [&b"plain"[..], b"a b", b"a\\n", b"\xff"] {
            assert_eq!(meant(&path(other)), None, "{other:?}");
        }
    }

    #[test]
    fn a_dash_is_no_place() {
        assert!(matches!(place("-".into()), Err(Failure::Usage { .. })));
        assert!(place("./-".into()).unwrap().ends_with("-"));
    }
}
