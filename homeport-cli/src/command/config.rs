//! `homeport config`.

use homeport_core::name::InstanceName;
use homeport_host::operation::{config_change, config_view};
use homeport_host::request::ConfigRequest;

use super::values::read_values;
use crate::args::ConfigAction;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ConfigReport, ReconfiguredReport};

pub(super) fn run(context: &Context, instance: InstanceName, action: Option<ConfigAction>) -> Result<Exit, Failure> {
    let request = match action {
        None | Some(ConfigAction::Show) => {
            let config = config_view(&context.host()?, &instance)?;
            context.print(&ConfigReport { instance, config })?;
            return Ok(Exit::Done);
        }
        Some(ConfigAction::Set { pairs, file }) => ConfigRequest { set: read_values(pairs, file)?, unset: Vec::new() },
        Some(ConfigAction::Unset { keys }) => ConfigRequest { set: Vec::new(), unset: keys },
    };
    let done = config_change(&context.host()?, &instance, &request)?;
    context.print(&ReconfiguredReport { instance, done })?;
    Ok(Exit::Done)
}
