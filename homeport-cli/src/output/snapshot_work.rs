//! Owns how work on snapshots is told: proofs, differences, restores, prunes, and their way out and in.
//! Never asks the host.

use std::time::Duration;

use homeport_core::name::InstanceName;
use homeport_host::operation::{
    Change, Differences, Exported, LeftOut, LifecycleOutcome, PrunePlan, Pruned, Rehearsed, RestorePlan, Restored,
    TakenOut, VerifyOutcome,
};
use homeport_host::request::Depth;

use super::Render;
use super::amount::{count, extent, moment, size, span};
use super::consent::{steps, warnings};
use super::page::Page;
use super::snapshot::short;

impl Render for VerifyOutcome {
    fn text(&self, page: &mut Page) {
        let how = match self.depth {
            Depth::Quick => "every entry was read, and every object looked up; no content was read",
            Depth::Full => "every entry and every byte was read from the disk and compared",
        };
        if self.is_whole() {
            let number = u64::try_from(self.snapshots.len()).unwrap_or(u64::MAX);
            let verdict = match self.depth {
                Depth::Quick => "everything that they need is there, unread",
                Depth::Full => "whole",
            };
            page.line(format_args!("{}: {verdict}", count(number, "snapshot", "snapshots")));
        }
        for snapshot in self.snapshots.iter().filter(|snapshot| !snapshot.faults.is_empty()) {
            page.line(format_args!("damaged: {}", snapshot.uuid));
            for fault in &snapshot.faults {
                page.line(format_args!("  [{}] {fault}", fault.code));
                if !fault.remedy.is_empty() {
                    page.line(format_args!("      help: {}", fault.remedy));
                }
            }
        }
        for fault in &self.faults {
            page.line(format_args!("in the store: [{}] {fault}", fault.code));
        }
        page.line(format_args!("  {how}: {}, {}", count(self.objects, "object", "objects"), size(self.bytes)));
        page.line(format_args!("  on {}", moment(&self.at)));
    }
}

impl Render for Rehearsed {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("snapshot {} can be restored", self.uuid));
        page.line(format_args!(
            "  {} were restored into a scratch place, compared in every byte and attribute, and removed; {}",
            extent(self.entries, self.bytes),
            span(Duration::from_millis(self.milliseconds))
        ));
    }
}

impl Render for Differences {
    fn text(&self, page: &mut Page) {
        let to = self.to.as_ref().map_or_else(|| "what is there now".to_owned(), ToString::to_string);
        page.line(format_args!("from {} to {to}", self.from));
        for volume in &self.volumes {
            page.line(format_args!(
                "volume `{}`: {} new, {} gone, {} changed, {} the same",
                volume.volume, volume.added, volume.removed, volume.changed, volume.same
            ));
            for one in &volume.listed {
                page.line(format_args!("  {:<9} {}", word(one.change), one.path));
            }
            let listed = u64::try_from(volume.listed.len()).unwrap_or(u64::MAX);
            let all = volume.added.saturating_add(volume.removed).saturating_add(volume.changed);
            if all > listed {
                page.line(format_args!("  and {} more", all - listed));
            }
        }
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "new",
        Change::Removed => "gone",
        Change::Replaced => "replaced",
        Change::Content => "content",
        Change::Metadata => "metadata",
        Change::Relinked => "relinked",
    }
}

impl Render for RestorePlan {
    fn text(&self, page: &mut Page) {
        page.line(format_args!(
            "a restore of `{}` to snapshot {:#} of {} would put back",
            self.snapshot.instance,
            self.snapshot.sequence,
            moment(&self.snapshot.taken)
        ));
        for volume in &self.volumes {
            let extent = extent(volume.entries, volume.bytes);
            page.line(format_args!("  volume `{}` at `{}`: {extent}", volume.name, volume.path.display()));
        }
        page.line("by these steps");
        steps(&self.plan, page);
        warnings(&self.warnings, page);
        if let Some(why) = &self.needs_approval {
            page.line(format_args!("it needs an approval: {why}"));
        }
    }
}

impl Render for Restored {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("`{}` is restored to snapshot {}", self.instance, self.snapshot));
        for volume in &self.volumes {
            page.line(format_args!(
                "  volume `{}`: {}, compared in every byte and attribute",
                volume.name,
                extent(volume.entries, volume.bytes)
            ));
        }
        match self.before {
            Some(before) => page.line(format_args!("  what was there is snapshot {before}, and in the trash")),
            None => page.line(format_args!("  what was there is in the trash; no snapshot of it was made")),
        }
        page.line(format_args!(
            "  to take this back, until {} at least: homeport trash restore {}",
            moment(&self.kept_until),
            short(&self.undo)
        ));
        if self.running.is_some() {
            page.line("  it runs again, with the restored data");
        }
        warnings(&self.warnings, page);
    }
}

impl Render for PrunePlan {
    fn text(&self, page: &mut Page) {
        let goes = u64::try_from(self.removed().count()).unwrap_or(u64::MAX);
        page.line(format_args!("of `{}`, {} would go", self.instance, count(goes, "snapshot", "snapshots")));
        for fate in &self.snapshots {
            let why = if fate.kept_because.is_empty() {
                "goes".to_owned()
            } else {
                format!("stays: {}", fate.kept_because.join(", "))
            };
            page.line(format_args!(
                "  {:>4}  {}  {}  {why}",
                format!("{:#}", fate.sequence),
                short(&fate.uuid),
                moment(&fate.taken)
            ));
        }
        if let Some(collection) = &self.collection {
            page.line(format_args!(
                "  {} would be set aside, to be deleted seven days later; {} would be deleted now",
                size(collection.bytes_set_aside),
                size(collection.bytes_freed)
            ));
        }
    }
}

impl Render for Pruned {
    fn text(&self, page: &mut Page) {
        let gone = u64::try_from(self.plan.removed().count()).unwrap_or(u64::MAX);
        page.line(format_args!("of `{}`, {} went", self.plan.instance, count(gone, "snapshot", "snapshots")));
        for fate in self.plan.removed() {
            page.line(format_args!("  {:#}  {}  {}", fate.sequence, short(&fate.uuid), moment(&fate.taken)));
        }
        page.line(format_args!(
            "  {} set aside, to be deleted in seven days; {} deleted now",
            size(self.bytes_set_aside),
            size(self.bytes_freed)
        ));
        warnings(&self.warnings, page);
    }
}

/// A path of at most two lines: one that is too long for tar fills pages. JSON has it all.
fn abridged(path: &str) -> String {
    let count = path.chars().count();
    if count <= 160 {
        return path.to_owned();
    }
    let (first, last): (String, String) = (path.chars().take(60).collect(), path.chars().skip(count - 60).collect());
    format!("{first}… {} characters …{last}", count - 120)
}

impl Render for Exported {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("snapshot {} is in `{}`, {}", self.uuid, self.path.display(), size(self.bytes)));
        if !self.secret_keys.is_empty() {
            page.line(format_args!("  with the secret values of {}; mode 0600", self.secret_keys.join(", ")));
        }
        for (volume, path, why) in &self.only_in_entries {
            let why = match why {
                LeftOut::LongPath => "a path too long for tar programs",
                LeftOut::Socket => "a socket, which tar files cannot hold",
            };
            let path = abridged(&path.to_string());
            page.line(format_args!("  {why}, HomePort alone restores it: `{path}` in `{volume}`"));
        }
        page.line("  to unpack it without HomePort, as root, GNU tar wants `--xattrs --xattrs-include='*' -xpf`, and no `--acls`");
    }
}

impl Render for TakenOut {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("`{}` is at `{}`", self.path, self.to.display()));
        page.line(format_args!(
            "  from volume `{}` of snapshot {}: {}",
            self.volume,
            self.uuid,
            extent(self.entries, self.bytes)
        ));
    }
}

/// An alarm that was confirmed.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Acknowledged {
    pub(crate) outcome: LifecycleOutcome,
    pub(crate) instance: InstanceName,
}

impl Render for Acknowledged {
    fn text(&self, page: &mut Page) {
        match self.outcome {
            LifecycleOutcome::Changed => {
                page.line(format_args!("confirmed: `{}` is meant to be as small as it was found", self.instance));
            }
            LifecycleOutcome::Unchanged => page.line("no alarm of that is open; nothing was changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::Bytes;

    use super::*;

    #[test]
    fn an_export_tells_what_tar_cannot_make_and_how_tar_unpacks_the_rest() {
        let long = format!("mail/{}last", "long-name/".repeat(500));
        let left_out = [(long.as_str(), LeftOut::LongPath), ("run/agent", LeftOut::Socket)];
        let exported = Exported {
            uuid: "0219ed0d-9f2b-4173-9f19-e372f82ca075".parse().unwrap(),
            path: "/root/alice.tar".into(),
            bytes: Bytes::new(398_800),
            only_in_entries: left_out.map(|(path, why)| ("home".parse().unwrap(), path.parse().unwrap(), why)).into(),
            secret_keys: vec!["password".to_owned()],
        };
        let mut page = Page::default();
        exported.text(&mut page);
        insta::assert_snapshot!(page.into_text());
        assert!(serde_json::to_string(&exported).unwrap().contains(&long), "JSON has the whole path");
    }
}
