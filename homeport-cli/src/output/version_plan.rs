//! Owns how a change of version is shown before it is done: what changes, what happens to data and to clients, how one
//! gets back. Never plans.

use std::time::Duration;

use homeport_core::name::VolumeName;
use homeport_core::unit::Seconds;
use homeport_core::upgrade::Direction;
use homeport_host::operation::{
    ChangeView, ClientsView, MigrationView, MigrationWay, SetBackView, VersionPlan, WayBackView,
};
use homeport_host::plan::Kind;

use super::Render;
use super::amount::{count, extent, moment, size, span};
use super::consent::{steps, warnings};
use super::page::Page;

impl Render for VersionPlan {
    fn text(&self, page: &mut Page) {
        let way = match (self.plan.kind, self.direction) {
            (Kind::Rollback, _) => "back",
            (_, Direction::Up) => "up",
            (_, Direction::Down) => "down",
        };
        page.line(format_args!(
            "`{}` ({}) would go {way} from version {} to {}",
            self.instance, self.port, self.from, self.to
        ));
        let (image, short) = (&self.reference, self.image.short());
        if *image == self.image.to_string() {
            page.line(format_args!("its image would be {short}"));
        } else {
            page.line(format_args!("its image would be `{image}` ({short})"));
        }
        changes(&self.changes, self.direction, page);
        list("what the port's author says", &self.notes, page);
        list("what becomes of the configuration", &self.configuration, page);
        if !self.migrations.is_empty() {
            page.line("data that becomes another, in a copy that takes its place");
            self.migrations.iter().for_each(|one| migration(one, self.set_back.as_ref(), page));
        }
        if self.snapshot.is_empty() {
            page.line("no snapshot is made before: there is nothing to make one of");
        } else {
            page.line(format_args!("a snapshot is made before, of {}", names(&self.snapshot)));
        }
        clients(self, page);
        page.line(format_args!("the way back: homeport rollback {}", self.instance));
        way_back(&self.way_back, "  ", page);
        warnings(&self.warnings, page);
        if let Some(why) = &self.needs_approval {
            page.line(format_args!("it needs an approval: {why}"));
        }
        page.line("by these steps");
        steps(&self.plan, page);
        page.line(format_args!("the plan is {}", self.hash));
    }
}

/// What clients notice.
fn clients(plan: &VersionPlan, page: &mut Page) {
    let (from, to) = (&plan.from, &plan.to);
    match plan.clients {
        ClientsView::Overlap { linger } => {
            let stay = seconds(linger);
            page.line(format_args!(
                "new clients come to {to}; those that are connected may stay with {from} for {stay}"
            ));
            let volumes: Vec<VolumeName> = plan.migrations.iter().map(|one| one.volume.clone()).collect();
            if !volumes.is_empty() {
                page.line(format_args!(
                    "  what {from} writes to {} after that was copied is only in the trash then",
                    names(&volumes)
                ));
            }
        }
        ClientsView::Wait => {
            page.line(format_args!(
                "clients that are connected are disconnected, and new ones wait until {to} answers"
            ));
        }
        ClientsView::None => page.line("no client notices: it is stopped, and stays so"),
    }
}

/// What changes for people, one a line; what asks for no more than a patch is only counted.
fn changes(changes: &[ChangeView], direction: Direction, page: &mut Page) {
    if changes.is_empty() {
        page.line("the two manifests say the same");
        return;
    }
    page.line(match direction {
        Direction::Up => "what changes",
        Direction::Down => "what is taken back",
    });
    let (small, told): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.asks_for == "patch");
    for change in &told {
        page.line(format_args!("  {} ({})", change.text, change.asks_for));
    }
    if !small.is_empty() {
        let and = if told.is_empty() { "" } else { "and " };
        let number = count(u64::try_from(small.len()).unwrap_or(u64::MAX), "small change", "small changes");
        page.line(format_args!("  {and}{number}, which `--json` names"));
    }
}

fn list(head: &str, lines: &[String], page: &mut Page) {
    if lines.is_empty() {
        return;
    }
    page.line(head);
    for line in lines {
        page.line(format_args!("  {line}"));
    }
}

fn migration(one: &MigrationView, set_back: Option<&SetBackView>, page: &mut Page) {
    let way = match (one.way, set_back) {
        (MigrationWay::StepsOfNext, _) => "by steps of the version that is to be".to_owned(),
        (MigrationWay::StepsOfPresent, _) => "by steps of the version that there is".to_owned(),
        (MigrationWay::Snapshot, Some(snapshot)) => format!(
            "set back to snapshot {:#}, of {} and version {}",
            snapshot.sequence,
            moment(&snapshot.taken),
            snapshot.version
        ),
        (MigrationWay::Snapshot, None) => "set back to what it was in a snapshot".to_owned(),
    };
    let formats = if one.from == one.to {
        format!("in format {}", one.to)
    } else {
        format!("from format {} to {}", one.from, one.to)
    };
    page.line(format_args!("  volume `{}`: {formats}, {way}", one.volume));
    let within = match one.way {
        MigrationWay::StepsOfNext | MigrationWay::StepsOfPresent => {
            format!(", and beside the copying at most {}", seconds(one.within))
        }
        MigrationWay::Snapshot => String::new(),
    };
    let needs = size(one.needs);
    let copied = extent(one.entries, one.bytes);
    page.line(format_args!("    {copied}; it needs {needs} of room beside the volume{within}"));
    if one.way == MigrationWay::Snapshot {
        let there = extent(one.present_entries, one.present_bytes);
        page.line(format_args!("    what is there now, {there}, is kept in another snapshot and in the trash"));
    }
}

/// What going back would lose.
pub(super) fn way_back(way: &WayBackView, indent: &str, page: &mut Page) {
    match way {
        WayBackView::Reversible => page.line(format_args!("{indent}with everything that is written meanwhile")),
        WayBackView::Snapshot { volumes, everything } => {
            if !volumes.is_empty() {
                page.line(format_args!(
                    "{indent}to the snapshot: what is written to {} meanwhile would be kept aside, in a snapshot of \
                     its own and in the trash",
                    names(volumes)
                ));
            }
            if !everything.is_empty() {
                page.line(format_args!("{indent}without {}: that is in no snapshot", names(everything)));
            }
        }
    }
}

fn names(volumes: &[VolumeName]) -> String {
    volumes.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn seconds(seconds: Seconds) -> String {
    span(Duration::from_secs(seconds.get().into()))
}
