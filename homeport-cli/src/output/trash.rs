//! Owns how the trash is shown, and what goes into it, comes back and ends. Never asks the host.

use homeport_core::unit::Bytes;
use homeport_host::operation::{
    Emptied, EmptyPlan, InnerTree, PurgePlan, Purged, PutBack, PutBackPlan, TrashList, TrashView, TreeView,
};

use super::Render;
use super::amount::{count, extent, moment};
use super::consent::{steps, warnings};
use super::page::Page;
use super::snapshot::short;
use super::table::Table;

impl Render for TrashList {
    fn text(&self, page: &mut Page) {
        if self.bundles.is_empty() {
            page.line("the trash is empty");
        } else {
            let mut table = Table::new(&["ID", "INSTANCE", "WHY", "SINCE", "KEPT UNTIL", "VOLUMES", "HOLDS"]);
            for bundle in &self.bundles {
                let with = |tree: &TreeView| {
                    if tree.inner.is_empty() { String::new() } else { format!(" +{}", tree.inner.len()) }
                };
                let volumes: Vec<String> =
                    bundle.trees.iter().map(|tree| format!("{}{}", tree.volume, with(tree))).collect();
                table.row([
                    short(&bundle.id),
                    bundle.instance.to_string(),
                    bundle.reason.to_string(),
                    moment(&bundle.since),
                    bundle.until.as_ref().map(moment).unwrap_or_default(),
                    volumes.join(", "),
                    holds(&bundle.trees),
                ]);
            }
            table.write(page, "");
            for tree in self.bundles.iter().flat_map(|bundle| &bundle.trees).filter(|tree| !tree.inner.is_empty()) {
                page.line(format_args!("with volume `{}` from `{}` goes", tree.volume, tree.path.display()));
                inside(&tree.inner, "  ", page);
            }
        }
        for fault in &self.faults {
            page.line(format_args!("[{}] {fault}", fault.code));
        }
    }
}

/// What trees hold together, as far as it was counted.
fn holds(trees: &[TreeView]) -> String {
    let sum = |of: fn(&TreeView) -> Option<u64>| trees.iter().map(of).try_fold(0_u64, |sum, one| Some(sum + one?));
    match (sum(|tree| tree.entries), sum(|tree| tree.bytes.map(Bytes::get))) {
        (Some(entries), Some(bytes)) => extent(entries, Bytes::new(bytes)),
        _ => String::new(),
    }
}

fn bundle(view: &TrashView, page: &mut Page) {
    page.line(format_args!("  {} of `{}`, since {}", short(&view.id), view.instance, moment(&view.since)));
    for tree in &view.trees {
        let holds = holds(std::slice::from_ref(tree));
        let holds = if holds.is_empty() { holds } else { format!(": {holds}") };
        page.line(format_args!("    volume `{}` from `{}`{holds}", tree.volume, tree.path.display()));
        inside(&tree.inner, "      ", page);
    }
}

/// What goes with a volume because it is in the volume's own trash.
fn inside(trees: &[InnerTree], indent: &str, page: &mut Page) {
    for tree in trees {
        let holds = match (tree.entries, tree.bytes) {
            (Some(entries), Some(bytes)) => extent(entries, bytes),
            _ => "not counted".to_owned(),
        };
        let (volume, reason, since) = (&tree.volume, &tree.reason, moment(&tree.since));
        page.line(format_args!(
            "{indent}and in its own trash {}: `{volume}` ({reason}, {since}): {holds}",
            short(&tree.tx)
        ));
    }
}

impl Render for PurgePlan {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("a purge of `{}` would put into the trash", self.instance));
        for volume in &self.volumes {
            let newest = volume.newest.as_ref().map(|time| format!(", last changed {}", moment(time)));
            page.line(format_args!(
                "  volume `{}` at `{}`: {}{}",
                volume.name,
                volume.path.display(),
                extent(volume.entries, volume.bytes),
                newest.unwrap_or_default()
            ));
            inside(&volume.inner, "    ", page);
        }
        for volume in &self.lost {
            let found = if volume.is_blank { "nothing in it" } else { "not there" };
            page.line(format_args!(
                "  volume `{}` at `{}`: {found}; it is forgotten, nothing is deleted. Where only its disk is not mounted, \
                 mount it first",
                volume.name,
                volume.path.display()
            ));
        }
        if self.volumes.is_empty() && self.lost.is_empty() {
            page.line("  nothing: it has no volumes");
        }
        let snapshots = u64::try_from(self.snapshots).unwrap_or(u64::MAX);
        page.line(format_args!("and leave {}", count(snapshots, "snapshot", "snapshots")));
        page.line("by these steps");
        steps(&self.plan, page);
    }
}

impl Render for Purged {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("`{}` is purged", self.plan.instance));
        for volume in &self.plan.lost {
            page.line(format_args!("  volume `{}` is forgotten: nothing of it was there", volume.name));
        }
        if self.plan.volumes.is_empty() {
            return;
        }
        page.line(format_args!(
            "  its data is in the trash until {} at least; to bring it back: homeport trash restore {}",
            moment(&self.kept_until),
            short(&self.trash)
        ));
    }
}

impl Render for PutBackPlan {
    fn text(&self, page: &mut Page) {
        page.line("this would be taken out of the trash");
        bundle(&self.what, page);
        page.line("by these steps");
        steps(&self.plan, page);
        if let Some(why) = &self.needs_approval {
            page.line(format_args!("it needs an approval: {why}"));
        }
        warnings(&self.warnings, page);
    }
}

impl Render for PutBack {
    fn text(&self, page: &mut Page) {
        if self.what.trees.is_empty() {
            page.line(format_args!("nothing of `{}` is back in place", self.instance));
        } else {
            page.line(format_args!("back in place, of `{}`:", self.instance));
            bundle(&self.what, page);
        }
        for fault in &self.faults {
            page.line(format_args!("  still in the trash: [{}] {fault}", fault.code));
        }
        if let Some(before) = &self.before {
            page.line(format_args!("  what was there until now is snapshot {before}"));
        }
        if let Some(undo) = &self.undo {
            page.line(format_args!("  and in the trash; to have it back: homeport trash restore {}", short(undo)));
        }
        if self.running.is_some() {
            page.line("  it runs again");
        }
        warnings(&self.warnings, page);
    }
}

impl Render for EmptyPlan {
    fn text(&self, page: &mut Page) {
        if self.what.is_empty() {
            page.line("nothing in the trash would be deleted");
            return;
        }
        page.line("this would be deleted for good");
        for view in &self.what {
            bundle(view, page);
        }
        if let Some(why) = &self.needs_approval {
            page.line(format_args!("it needs an approval: {why}"));
        }
    }
}

impl Render for Emptied {
    fn text(&self, page: &mut Page) {
        if self.what.is_empty() && self.faults.is_empty() {
            page.line("nothing was deleted");
            return;
        }
        page.line(format_args!("deleted for good: {}", extent(self.entries, self.bytes)));
        for view in &self.what {
            bundle(view, page);
        }
        for fault in &self.faults {
            page.line(format_args!("  not deleted: [{}] {fault}", fault.code));
        }
    }
}
