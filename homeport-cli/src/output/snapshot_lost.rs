//! Owns how it is told what is given up of a store: a file that is no snapshot, or the store itself. Never asks the host.

use homeport_host::operation::{BeginStorePlan, GiveUpPlan, GivenUp, StoreBegun};

use super::Render;
use super::amount::{count, moment, size};
use super::consent::warnings;
use super::page::Page;

impl Render for GiveUpPlan {
    fn text(&self, page: &mut Page) {
        match self.size {
            Some(bytes) => page.line(format_args!("`{}` would be given up, {}: {}", self.file, size(bytes), self.why)),
            None => page.line(format_args!("`{}` would be given up: {}", self.file, self.why)),
        }
        for claim in &self.claims {
            page.line(format_args!("  it says of itself, unproven: {claim}"));
        }
        for lost in &self.lost {
            page.line(format_args!("  {lost}"));
        }
    }
}

impl Render for GivenUp {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("`{}` was given up", self.plan.file));
        for lost in &self.plan.lost {
            page.line(format_args!("  {lost}"));
        }
        if self.damaged_left > 0 {
            let left = count(self.damaged_left, "damaged file is", "damaged files are");
            page.line(format_args!("  {left} left: nothing is removed from the store until then"));
        }
    }
}

impl Render for BeginStorePlan {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("a new store would be begun at `{}`", self.path.display()));
        page.line(format_args!("  the store {} of {} would be given up", self.lost, moment(&self.since)));
        let number = u64::try_from(self.snapshots.len()).unwrap_or(u64::MAX);
        page.line(format_args!("  {} of it would be given up", count(number, "snapshot", "snapshots")));
        for one in &self.snapshots {
            page.line(format_args!("    {}", one.file()));
        }
        warnings(&self.warnings, page);
    }
}

impl Render for StoreBegun {
    fn text(&self, page: &mut Page) {
        page.line(format_args!("the store at `{}` is new: {}", self.plan.path.display(), self.store));
        let number = u64::try_from(self.plan.snapshots.len()).unwrap_or(u64::MAX);
        let snapshots = count(number, "snapshot", "snapshots");
        page.line(format_args!("  the store {} was given up, and {snapshots} of it", self.plan.lost));
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::Bytes;
    use homeport_host::operation::GoneSnapshot;

    use super::super::{Format, render};
    use super::*;

    fn give_up() -> GiveUpPlan {
        GiveUpPlan {
            file: "00000012-5f0c1122-3344-4566-8788-99aabbccddee.snapshot".to_owned(),
            size: Some(Bytes::new(412)),
            uuid: None,
            sequence: None,
            why: "its checksum is wrong".to_owned(),
            claims: vec!["instance alice".to_owned()],
            lost: vec!["what was in it cannot be restored any more".to_owned()],
        }
    }

    /// Whoever consents has read which file it is, why, what it says of itself, and what is lost.
    #[test]
    fn what_would_be_given_up_is_said_with_what_is_lost() {
        let text = render(Format::Text, &give_up()).unwrap();
        let wanted = "`00000012-5f0c1122-3344-4566-8788-99aabbccddee.snapshot` would be given up, 412 B: its checksum \
                      is wrong\n  it says of itself, unproven: instance alice\n  what was in it cannot be restored any \
                      more\n";
        assert_eq!(text, wanted);
        let json: serde_json::Value = serde_json::from_str(&render(Format::Json, &give_up()).unwrap()).unwrap();
        assert_eq!(json.to_string().matches("its checksum is wrong").count(), 1, "{json}");
        let done = GivenUp { plan: give_up(), damaged_left: 1 };
        let text = render(Format::Text, &done).unwrap();
        assert!(text.contains("1 damaged file is left: nothing is removed"), "{text}");
    }

    #[test]
    fn every_snapshot_that_goes_with_a_store_is_named() {
        let gone = GoneSnapshot {
            uuid: "5f0c1122-3344-4566-8788-99aabbccddee".parse().unwrap(),
            sequence: homeport_volumes::store::Sequence::new(12),
            instance: Some("alice".parse().unwrap()),
            taken: Some("2026-11-23T04:19:45Z".parse().unwrap()),
        };
        let plan = BeginStorePlan {
            lost: "00000000-3344-4566-8788-99aabbccddee".parse().unwrap(),
            since: "2026-11-01T00:00:00Z".parse().unwrap(),
            path: "/var/lib/homeport/store".into(),
            snapshots: vec![gone],
            warnings: vec!["mount it".to_owned()],
        };
        let text = render(Format::Text, &plan).unwrap();
        for part in
            ["`/var/lib/homeport/store`", "1 snapshot of it", "00000012-5f0c1122-3344", "note: mount it", "would be"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
