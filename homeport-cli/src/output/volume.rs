//! Owns how volumes are shown: all in a table, what a check found, an adoption, a move. Never asks the host.

use homeport_host::operation::{
    AdoptPlan, Adopted, CheckedVolume, LifecycleOutcome, MovePlan, Moved, OwnerRule, VolumeEntry,
};

use super::Render;
use super::amount::{count, extent};
use super::consent::steps;
use super::page::Page;
use super::table::Table;

/// Every volume, or those of one instance.
#[derive(Debug, serde::Serialize)]
pub(crate) struct VolumesReport {
    pub(crate) volumes: Vec<VolumeEntry>,
}

impl Render for VolumesReport {
    fn text(&self, page: &mut Page) {
        if self.volumes.is_empty() {
            page.line("there are no volumes");
            return;
        }
        let mut table = Table::new(&["INSTANCE", "VOLUME", "PORT", "FORMAT", "STATE", "PATH"]);
        for volume in &self.volumes {
            table.row([
                volume.instance.to_string(),
                volume.name.to_string(),
                volume.port.to_string(),
                volume.format.to_string(),
                volume.state.to_string(),
                volume.path.display().to_string(),
            ]);
        }
        table.write(page, "");
    }
}

/// What checks found.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ChecksReport {
    pub(crate) volumes: Vec<CheckedVolume>,
}

impl Render for ChecksReport {
    fn text(&self, page: &mut Page) {
        if self.volumes.is_empty() {
            page.line("there are no volumes");
        }
        for CheckedVolume { volume, faults, notices: _, owner_rule } in &self.volumes {
            let number = u64::try_from(faults.len()).unwrap_or(u64::MAX);
            let verdict = if faults.is_empty() { "safe to use".to_owned() } else { count(number, "fault", "faults") };
            page.line(format_args!(
                "volume `{}` of `{}` at `{}`: {verdict}",
                volume.name,
                volume.instance,
                volume.path.display()
            ));
            if *owner_rule == OwnerRule::AtDeploy {
                page.line("  no instance has it: its owner and mode are only judged at a deploy");
            }
            for fault in faults {
                page.line(format_args!("  [{}] {}: {}", fault.code, fault.subject, fault.message));
                for (label, text) in [("found", &fault.actual), ("wanted", &fault.expected), ("help", &fault.remedy)] {
                    if !text.is_empty() {
                        page.line(format_args!("      {label}: {text}"));
                    }
                }
            }
        }
    }
}

impl Render for AdoptPlan {
    fn text(&self, page: &mut Page) {
        page.line(format_args!(
            "`{}` would become volume `{}` of `{}` ({})",
            self.path.display(),
            self.volume,
            self.instance,
            self.port
        ));
        page.line(format_args!("  it is {}: {}", self.found, extent(self.entries, self.bytes)));
        page.line("by these steps");
        steps(&self.plan, page);
        amends(self, page);
    }
}

/// What a person has to do before the deploy.
fn amends(plan: &AdoptPlan, page: &mut Page) {
    if !plan.then.is_empty() {
        page.line("after it and before the deploy, which refuses the volume otherwise, run");
        for command in &plan.then {
            page.line(format_args!("  {command}"));
        }
    }
}

impl Render for Adopted {
    fn text(&self, page: &mut Page) {
        let plan = &self.plan;
        page.line(format_args!("`{}` is volume `{}` of `{}`", plan.path.display(), plan.volume, plan.instance));
        page.line(format_args!(
            "  {} are as they were; `homeport deploy {} --name {}` takes the volume up",
            extent(plan.entries, plan.bytes),
            plan.port,
            plan.instance
        ));
        amends(plan, page);
    }
}

impl Render for MovePlan {
    fn text(&self, page: &mut Page) {
        if self.outcome == LifecycleOutcome::Unchanged {
            let (volume, instance, to) = (&self.volume, &self.instance, self.to.display());
            page.line(format_args!("volume `{volume}` of `{instance}` is at `{to}` already; nothing would be changed"));
            return;
        }
        page.line(format_args!(
            "volume `{}` of `{}` would be at `{}` instead of `{}`{}",
            self.volume,
            self.instance,
            self.to.display(),
            self.from.display(),
            if self.is_there { ", where it was found" } else { "" }
        ));
        page.line("by these steps");
        steps(&self.plan, page);
    }
}

impl Render for Moved {
    fn text(&self, page: &mut Page) {
        let plan = &self.plan;
        let already = match plan.outcome {
            LifecycleOutcome::Changed => "",
            LifecycleOutcome::Unchanged => " already; nothing was changed",
        };
        let (volume, instance, to) = (&plan.volume, &plan.instance, plan.to.display());
        page.line(format_args!("volume `{volume}` of `{instance}` is at `{to}`{already}"));
    }
}
