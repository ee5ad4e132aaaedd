//! `homeport schedule`.

use homeport_host::operation::{schedule_list, schedule_set, schedule_unset};
use homeport_host::request::ScheduleRequest;

use crate::args::ScheduleAction;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ScheduleReport, SchedulesReport, UnscheduledReport};

pub(super) fn run(context: &Context, action: ScheduleAction) -> Result<Exit, Failure> {
    let host = context.host()?;
    match action {
        ScheduleAction::Set { name, every, keep } => {
            let (outcome, schedule) = schedule_set(&host, &ScheduleRequest { instance: name, every, keep })?;
            context.print(&ScheduleReport { outcome, schedule })?;
        }
        ScheduleAction::Unset { name } => {
            let outcome = schedule_unset(&host, &name)?;
            context.print(&UnscheduledReport { outcome, instance: name })?;
        }
        ScheduleAction::List => context.print(&SchedulesReport { schedules: schedule_list(&host)? })?,
    }
    Ok(Exit::Done)
}
