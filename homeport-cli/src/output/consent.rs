//! Owns how something that was planned is shown, with the token that allows it. Never gives one out.

use homeport_host::approval::Issued;
use homeport_host::operation::Outcome;
use homeport_host::plan::Plan;

use super::Render;
use super::amount::moment;
use super::page::Page;

impl<P: Render, D: Render> Render for Outcome<P, D> {
    fn text(&self, page: &mut Page) {
        match self {
            Self::Done(done) => done.text(page),
            Self::Planned { plan, approval } => {
                plan.text(page);
                page.line("nothing was changed");
                if let Some(approval) = approval {
                    approval_text(approval, page);
                }
            }
        }
    }
}

fn approval_text(approval: &Issued, page: &mut Page) {
    page.line(format_args!("to approve exactly this, until {}, add", moment(&approval.expires)));
    page.line(format_args!("  --approve {}", approval.token));
}

/// The steps of a plan, numbered.
pub(super) fn steps(plan: &Plan, page: &mut Page) {
    for (place, step) in plan.steps.iter().enumerate() {
        page.line(format_args!("  {:>2}. {step}", place + 1));
    }
}

/// What a person should know beside the result.
pub(super) fn warnings(warnings: &[String], page: &mut Page) {
    for warning in warnings {
        page.line(format_args!("  note: {warning}"));
    }
}
