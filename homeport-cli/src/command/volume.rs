//! `homeport volume`.

use homeport_host::operation::{volume_adopt, volume_check, volume_list, volume_move};
use homeport_host::request::{AdoptRequest, MoveRequest};

use super::consent::{execution, tell};
use crate::args::VolumeAction;
use crate::context::{Context, absolute};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ChecksReport, VolumesReport};

pub(super) fn run(context: &Context, action: VolumeAction) -> Result<Exit, Failure> {
    let host = context.host()?;
    match action {
        VolumeAction::List { name } => {
            context.print(&VolumesReport { volumes: volume_list(&host, name.as_ref())? })?;
            Ok(Exit::Done)
        }
        VolumeAction::Check { name, volume } => {
            let volumes = volume_check(&host, name.as_ref(), volume.as_ref())?;
            let is_safe = volumes.iter().all(|checked| checked.faults.is_empty());
            context.print(&ChecksReport { volumes })?;
            Ok(if is_safe { Exit::Done } else { Exit::Request })
        }
        VolumeAction::Adopt { port, name, volume, path, consent } => {
            let request = AdoptRequest {
                port,
                instance: name,
                volume,
                path: absolute(path)?,
                execution: consent.execution(),
                approve: consent.approve,
            };
            tell(context, &volume_adopt(&host, &request)?)
        }
        VolumeAction::Move { name, volume, path, dry_run } => {
            let execution = execution(dry_run);
            let request = MoveRequest { instance: name, volume, path: absolute(path)?, execution };
            tell(context, &volume_move(&host, &request)?)
        }
    }
}
