//! Runs `spec/vectors/upgrade`: each proposal gets its verdict with exactly the reasons named, and its plan.

use std::collections::BTreeMap;
use std::path::Path;

use homeport_core::digest::Digest;
use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::upgrade::{
    Bump, Direction, Formats, MigrationPlan, Move, Past, Proposal, Release, Verdict, WayBack, plan, verdict,
};
use homeport_core::version::{PROTOCOL, ProtocolVersion};
use serde_json::{Value as Json, json};

use crate::compat::{Pair, manifest, pairs};
use crate::files::{files, report, stem};

/// A proposal with everything that it borrows.
pub(crate) struct Case {
    pub(crate) installed: Manifest,
    pub(crate) candidate: Manifest,
    pub(crate) images: (Digest, Digest),
    pub(crate) direction: Direction,
    pub(crate) formats: Formats,
    pub(crate) snapshot: Option<Formats>,
    pub(crate) left: Option<Formats>,
    pub(crate) speaks: ProtocolVersion,
}

impl Case {
    /// An upgrade between two images, with the formats that the older one leaves.
    pub(crate) fn up(installed: Manifest, candidate: Manifest) -> Self {
        let formats = installed.volumes.iter().map(|(name, volume)| (name.clone(), volume.format)).collect();
        Self {
            installed,
            candidate,
            images: (Digest::new([1; 32]), Digest::new([2; 32])),
            direction: Direction::Up,
            formats,
            snapshot: None,
            left: None,
            speaks: PROTOCOL,
        }
    }

    fn read(json: &Json) -> Self {
        let direction = match json["direction"].as_str().unwrap() {
            "up" => Direction::Up,
            "down" => Direction::Down,
            other => panic!("{other}"),
        };
        let second = if json["same_image"] == json!(true) { 1 } else { 2 };
        Self {
            formats: formats(&json["formats"]),
            images: (Digest::new([1; 32]), Digest::new([second; 32])),
            direction,
            snapshot: json.get("snapshot").map(formats),
            left: json.get("left").map(formats),
            speaks: json.get("speaks").map_or(PROTOCOL, |speaks| speaks.as_str().unwrap().parse().unwrap()),
            ..Self::up(manifest(&json["installed"]), manifest(&json["candidate"]))
        }
    }

    pub(crate) fn proposal(&self) -> Proposal<'_> {
        Proposal {
            installed: Release { manifest: &self.installed, image: &self.images.0 },
            candidate: Release { manifest: &self.candidate, image: &self.images.1 },
            direction: self.direction,
            formats: &self.formats,
            past: match (&self.left, &self.snapshot) {
                (Some(left), _) => Past::Left(left),
                (None, Some(snapshot)) => Past::Offered(snapshot),
                (None, None) => Past::None,
            },
            speaks: self.speaks,
        }
    }
}

fn formats(json: &Json) -> Formats {
    serde_json::from_value::<BTreeMap<String, u32>>(json.clone())
        .unwrap()
        .into_iter()
        .map(|(name, format)| (name.parse().unwrap(), homeport_core::unit::Format::new(format)))
        .collect()
}

fn shown(plan: &MigrationPlan) -> Json {
    let moves: BTreeMap<String, Json> = plan
        .volumes
        .iter()
        .map(|(name, moved)| {
            let shown = match moved {
                Move::Create(format) => json!({ "create": format }),
                Move::Stay(format) => json!({ "stay": format }),
                Move::SetAside(format) => json!({ "set_aside": format }),
                Move::Restore { found, to } => json!({ "restore": { "found": found, "to": to } }),
                Move::Migrate(steps) => {
                    let step = |step: &homeport_core::upgrade::Step| json!({ "from": step.from, "to": step.to, "by": step.by });
                    json!({ "steps": steps.iter().map(step).collect::<Vec<_>>() })
                }
            };
            (name.to_string(), shown)
        })
        .collect();
    let lost = match &plan.way_back {
        WayBack::Reversible => Json::Null,
        WayBack::BySnapshot { lost } => {
            lost.iter().map(|(name, loss)| (name.to_string(), json!(loss))).collect::<serde_json::Map<_, _>>().into()
        }
    };
    json!({ "volumes": moves, "lost": lost })
}

pub(crate) fn split(verdict: Verdict) -> (&'static str, Vec<Fault>) {
    match verdict {
        Verdict::Allowed => ("allowed", vec![]),
        Verdict::NeedsApproval(reasons) => ("approval", reasons),
        Verdict::Refused(reasons) => ("refused", reasons),
    }
}

fn run(set: &str) {
    let mut broken = Vec::new();
    for path in files(&format!("vectors/upgrade/{set}"), "json") {
        let vector: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let case = Case::read(&vector);
        let (word, reasons) = split(verdict(&case.proposal()));
        let found: Json = reasons.iter().map(|fault| json!({ "code": fault.code, "subject": fault.subject })).collect();
        if word != set || found != vector["reasons"] {
            broken.push(format!("{set}/{}: {word} for {found}", stem(&path)));
        }
        if let Some(wanted) = vector.get("plan") {
            let found = plan(&case.proposal()).map_or_else(|faults| json!(faults), |plan| shown(&plan));
            if found != *wanted {
                broken.push(format!("{set}/{}: planned {found}", stem(&path)));
            }
        }
    }
    report(&broken);
}

#[test]
fn what_is_harmless_is_allowed_and_planned() {
    run("allowed");
}

#[test]
fn what_cannot_be_undone_without_a_loss_has_to_be_approved() {
    run("approval");
}

#[test]
fn what_must_not_be_is_refused_with_every_reason() {
    run("refused");
}

#[test]
fn every_code_of_an_upgrade_has_a_vector() {
    let seen = |path: &Path| std::fs::read_to_string(path).unwrap();
    let vectors: String = ["approval", "refused"]
        .iter()
        .flat_map(|set| files(&format!("vectors/upgrade/{set}"), "json"))
        .map(|path| seen(&path))
        .collect();
    let table = seen(&crate::files::spec_dir().join("faults.md"));
    let codes: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `HP-UPG-")?.get(..3)).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let without: Vec<_> = codes.iter().filter(|code| !vectors.contains(&format!("HP-UPG-{code}"))).collect();
    assert!(without.is_empty(), "no vector shows {without:?}");
}

#[test]
fn every_reason_says_what_to_do_and_names_its_clause() {
    for set in ["approval", "refused"] {
        for path in files(&format!("vectors/upgrade/{set}"), "json") {
            let case = Case::read(&serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
            for fault in split(verdict(&case.proposal())).1 {
                assert!(fault.clause.is_some() && !fault.remedy.is_empty(), "{}: {fault:?}", path.display());
                assert!(fault.message.contains('`') && !fault.to_string().contains('\n'), "{fault:?}");
            }
        }
    }
}

/// A snapshot that leads down is found by the host, and named by nobody: an operator can only see to it that there is one.
#[test]
fn what_leads_down_without_steps_is_a_snapshot_in_the_store() {
    let mut told = 0;
    for path in files("vectors/upgrade/refused", "json") {
        let case = Case::read(&serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
        let (_, reasons) = split(verdict(&case.proposal()));
        for fault in reasons.iter().filter(|fault| fault.code == "HP-UPG-009") {
            assert!(fault.remedy.contains("`homeport snapshot import FILE`"), "{fault:?}");
            assert!(!fault.remedy.contains("name a snapshot"), "{fault:?}");
            told += 1;
        }
    }
    assert!(told >= 3, "{told}");
}

/// The versions that are a patch, a minor and a major version above 1.0.0.
const ABOVE: [(Bump, &str); 3] = [(Bump::Patch, "1.0.1"), (Bump::Minor, "1.1.0"), (Bump::Major, "2.0.0")];

#[test]
fn each_rule_asks_for_its_version_and_no_greater_one() {
    for Pair { name, rule, old, new } in pairs() {
        let is_about_versions = ["port-id-changed", "version-reused", "version-not-above"].contains(&name.as_str());
        if is_about_versions {
            continue;
        }
        for (bump, version) in ABOVE {
            // Below the version of its deprecation the removal of a key falls under another rule.
            if name == "key-removed" && bump != Bump::Major {
                continue;
            }
            let mut case = Case::up(old.clone(), new.clone());
            case.candidate.port.version = version.parse().unwrap();
            let (_, reasons) = split(verdict(&case.proposal()));
            let refused = reasons.iter().any(|fault| json!(fault.code) == rule["code"]);
            let enough = ABOVE.iter().any(|(asked, _)| json!(asked) == rule["bump"] && bump >= *asked);
            assert_eq!(refused, !enough, "{name} by a {bump} version: {reasons:?}");
        }
    }
}

#[test]
fn the_space_that_a_migration_takes_is_the_copy_and_its_greatest_step() {
    use homeport_core::manifest::Reversible;
    use homeport_core::unit::{Bytes, Format, Seconds};
    use homeport_core::upgrade::{Image, Step};
    let step = |from: u32, space_percent, seconds| Step {
        from: Format::new(from),
        to: Format::new(from + 1),
        by: Image::Candidate,
        space_percent,
        within: Seconds::new(seconds),
        back: Reversible::Yes,
    };
    let moved = Move::Migrate(vec![step(1, 20, 600), step(2, 150, 60)]);
    assert_eq!(moved.space(Bytes::new(1000)), Bytes::new(2500));
    assert_eq!(moved.space(Bytes::new(1)), Bytes::new(3));
    assert_eq!(moved.space(Bytes::new(u64::MAX)), Bytes::new(u64::MAX));
    assert_eq!(moved.within(), Seconds::new(660));
    let stays = Move::Stay(Format::new(1));
    assert_eq!((stays.space(Bytes::new(1000)), stays.within()), (Bytes::new(0), Seconds::new(0)));
}
