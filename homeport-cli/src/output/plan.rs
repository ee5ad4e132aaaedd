//! Owns how plans are shown, and what a removal leaves. Never plans.

use std::path::PathBuf;

use homeport_core::name::{EndpointName, InstanceName, VolumeName};
use homeport_host::operation::{DeployPlan, Removed};
use homeport_host::plan::{Plan, Step};

use super::Render;
use super::page::Page;

/// What a deploy would do.
#[derive(Debug, serde::Serialize)]
pub(crate) struct DeployPlanReport {
    /// Whether anything would be done.
    outcome: Planned,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Planned {
    Planned,
    Exists,
}

#[derive(Debug, serde::Serialize)]
struct RouteView {
    endpoint: EndpointName,
    address: String,
}

#[derive(Debug, serde::Serialize)]
struct PlanView {
    instance: InstanceName,
    steps: Vec<StepView>,
}

#[derive(Debug, serde::Serialize)]
struct StepView {
    #[serde(flatten)]
    step: Step,
    text: String,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let steps = plan.steps.into_iter().map(|step| StepView { text: step.to_string(), step });
        Self { instance: plan.instance, steps: steps.collect() }
    }
}

impl PlanView {
    fn text(&self, page: &mut Page) {
        for (n, step) in self.steps.iter().enumerate() {
            page.line(format_args!("  {:>2}. {}", n + 1, step.text));
        }
    }
}

impl DeployPlanReport {
    pub(crate) fn new(planned: Option<DeployPlan>) -> Self {
        match planned {
            None => Self { outcome: Planned::Exists, plan: None, routes: Vec::new() },
            Some(DeployPlan { plan, routes }) => Self {
                outcome: Planned::Planned,
                plan: Some(plan.into()),
                routes: routes.into_iter().map(|(endpoint, address)| RouteView { endpoint, address }).collect(),
            },
        }
    }
}

impl Render for DeployPlanReport {
    fn text(&self, page: &mut Page) {
        let Some(plan) = &self.plan else {
            page.line("the instance is there already; a deploy would confirm it, and start it where it is stopped");
            return;
        };
        page.line(format_args!("a deploy of `{}` would", plan.instance));
        plan.text(page);
        page.line("and its public addresses would be");
        for route in &self.routes {
            page.line(format_args!("  {}: {}", route.endpoint, route.address));
        }
        if self.routes.is_empty() {
            page.line("  none");
        }
        page.line("nothing was changed");
    }
}

/// What was removed, or would be.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RemovedReport {
    outcome: Removal,
    instance: InstanceName,
    kept: Vec<KeptView>,
    plan: PlanView,
}

/// Whether an instance was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Removal {
    Removed,
    Planned,
}

#[derive(Debug, serde::Serialize)]
struct KeptView {
    volume: VolumeName,
    path: PathBuf,
}

impl RemovedReport {
    pub(crate) fn new(outcome: Removal, removed: Removed) -> Self {
        Self {
            outcome,
            instance: removed.instance,
            kept: removed.kept.into_iter().map(|(volume, path)| KeptView { volume, path }).collect(),
            plan: removed.plan.into(),
        }
    }
}

impl Render for RemovedReport {
    fn text(&self, page: &mut Page) {
        match self.outcome {
            Removal::Removed => page.line(format_args!("`{}` is removed", self.instance)),
            Removal::Planned => {
                page.line(format_args!("a removal of `{}` would", self.instance));
                self.plan.text(page);
            }
        }
        for kept in &self.kept {
            page.line(format_args!("  kept: volume `{}` at `{}`", kept.volume, kept.path.display()));
        }
        match (self.outcome, self.kept.is_empty()) {
            (Removal::Removed, true) => {}
            (Removal::Removed, false) => {
                page.line(format_args!("a deploy under the name `{}` takes them up again", self.instance));
            }
            (Removal::Planned, _) => page.line("nothing was changed"),
        }
    }
}
