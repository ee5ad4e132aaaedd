//! Owns how a repair is told: what is at its end now, and what is still in the way. Never asks the host.

use homeport_core::name::InstanceName;
use homeport_host::operation::{EndedHow, EndedOperation, Repaired};

use super::Render;
use super::page::Page;

/// What a repair came to.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RepairReport {
    ended: Vec<EndedOperation>,
    stuck: Vec<Stuck>,
}

#[derive(Debug, serde::Serialize)]
struct Stuck {
    kind: String,
    instance: InstanceName,
    why: String,
}

impl RepairReport {
    pub(crate) fn new(repaired: Repaired) -> Self {
        let stuck = repaired.stuck.into_iter().map(|(kind, instance, why)| Stuck { kind, instance, why });
        Self { ended: repaired.ended, stuck: stuck.collect() }
    }
}

impl Render for RepairReport {
    fn text(&self, page: &mut Page) {
        if self.ended.is_empty() && self.stuck.is_empty() {
            page.line("nothing was cut off, and nothing is stuck");
        }
        for one in &self.ended {
            let (kind, instance) = (&one.kind, &one.instance);
            match one.how {
                EndedHow::Finished => page.line(format_args!("finished: {kind} of `{instance}`")),
                EndedHow::TakenBack => {
                    page.line(format_args!("taken back: {kind} of `{instance}`; everything is as it was before it"));
                }
            }
        }
        for one in &self.stuck {
            page.line(format_args!("still stuck: {} of `{}`: {}", one.kind, one.instance, one.why));
        }
        if !self.stuck.is_empty() {
            page.line("mend what is named, and repeat: homeport repair");
        }
    }
}
