//! `homeport trash` and `homeport purge`.

use homeport_host::operation::{purge as give_up, trash_empty, trash_list, trash_restore};
use homeport_host::request::{EmptyRequest, PurgeRequest, TrashChoice, TrashRef, TrashRestoreRequest};

use super::consent::tell;
use crate::args::{PurgeArgs, TrashAction};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(super) fn run(context: &Context, action: TrashAction) -> Result<Exit, Failure> {
    let host = context.host()?;
    match action {
        TrashAction::List => {
            context.print(&trash_list(&host)?)?;
            Ok(Exit::Done)
        }
        TrashAction::Restore { id, consent } => {
            let request = TrashRestoreRequest { what: id, execution: consent.execution(), approve: consent.approve };
            tell(context, &trash_restore(&host, &request)?)
        }
        TrashAction::Empty { ids, all, consent } => {
            let what = choice(ids, all);
            let request = EmptyRequest { what, execution: consent.execution(), approve: consent.approve };
            tell(context, &trash_empty(&host, &request)?)
        }
    }
}

pub(super) fn purge(context: &Context, args: PurgeArgs) -> Result<Exit, Failure> {
    let request = PurgeRequest {
        instance: args.name,
        volumes: args.volume.into_iter().collect(),
        execution: args.consent.execution(),
        approve: args.consent.approve,
    };
    tell(context, &give_up(&context.host()?, &request)?)
}

fn choice(ids: Vec<TrashRef>, all: bool) -> TrashChoice {
    match (ids.is_empty(), all) {
        (_, true) => TrashChoice::All,
        (true, false) => TrashChoice::Due,
        (false, false) => TrashChoice::Named(ids),
    }
}
