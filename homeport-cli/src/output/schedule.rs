//! Owns how schedules are shown. Never asks the host.

use homeport_core::name::InstanceName;
use homeport_host::operation::{LifecycleOutcome, ScheduleList, ScheduleView};

use super::Render;
use super::amount::{count, interval, moment};
use super::page::Page;

/// Every schedule.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct SchedulesReport {
    pub(crate) schedules: ScheduleList,
}

impl Render for SchedulesReport {
    fn text(&self, page: &mut Page) {
        if self.schedules.schedules.is_empty() {
            page.line("there are no schedules: no snapshots are taken but by hand");
        }
        for schedule in &self.schedules.schedules {
            view(schedule, page);
        }
        if let Some((at, outcome)) = &self.schedules.scrub {
            page.line(format_args!("reading the whole store: {}: {outcome}", moment(at)));
        }
    }
}

/// A schedule that was set.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ScheduleReport {
    pub(crate) outcome: LifecycleOutcome,
    pub(crate) schedule: ScheduleView,
}

impl Render for ScheduleReport {
    fn text(&self, page: &mut Page) {
        match self.outcome {
            LifecycleOutcome::Changed => page.line("the schedule is set"),
            LifecycleOutcome::Unchanged => page.line("it was set so already; nothing was changed"),
        }
        view(&self.schedule, page);
    }
}

/// A schedule that was taken away.
#[derive(Debug, serde::Serialize)]
pub(crate) struct UnscheduledReport {
    pub(crate) outcome: LifecycleOutcome,
    pub(crate) instance: InstanceName,
}

impl Render for UnscheduledReport {
    fn text(&self, page: &mut Page) {
        match self.outcome {
            LifecycleOutcome::Changed => page.line(format_args!(
                "no more periodic snapshots of `{}` are taken; those that there are stay",
                self.instance
            )),
            LifecycleOutcome::Unchanged => page.line(format_args!("`{}` had no schedule", self.instance)),
        }
    }
}

fn view(schedule: &ScheduleView, page: &mut Page) {
    let every = interval(schedule.every_seconds.get());
    page.line(format_args!("`{}`: every {every}, {}", schedule.instance, schedule.state));
    let keep = schedule.keep.as_ref().map_or_else(|| "everything".to_owned(), ToString::to_string);
    page.line(format_args!("  keeps: {keep}"));
    page.line(format_args!("  next: {}", moment(&schedule.next)));
    match &schedule.last {
        Some((at, outcome)) => page.line(format_args!("  last: {}: {outcome}", moment(at))),
        None => page.line("  last: none yet"),
    }
    if schedule.missed > 0 {
        let missed = count(schedule.missed.into(), "snapshot was", "snapshots were");
        page.line(format_args!("  missed: {missed} due and not taken"));
    }
    if let Some((at, outcome)) = &schedule.rehearsal {
        page.line(format_args!("  rehearsal: {}: {outcome}", moment(at)));
    }
}
