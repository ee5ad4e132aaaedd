//! Schedules: periodic snapshots of an instance, what is kept of them, and what came of the last ones.

mod change;

pub(crate) use change::schedule_ran;
pub use change::{ScheduleList, ScheduleView, schedule_list, schedule_set, schedule_unset};
