//! Owns the rules of what a port is: its id, its version, its texts and the protocol that it is written for.
//! Never looks at a version's size: `verdict` measures it against the changes.

use std::cmp::Ordering;

use super::super::change::{Found, listed, quoted};
use super::super::rule::declare_rules;
use crate::manifest::Manifest;

declare_rules! {
    ID_CHANGED = "port-id-changed", Forbidden as "HP-UPG-001",
        "the port's id changed: this is another port",
        "volumes, snapshots and instances name the port that they belong to";
    VERSION_REUSED = "version-reused", Forbidden as "HP-UPG-002",
        "the version is that of another manifest",
        "`homeport list` shows the same version for two things that behave differently";
    VERSION_NOT_ABOVE = "version-not-above", Forbidden as "HP-UPG-003",
        "the version is below the one before",
        "`homeport upgrade` finds nothing newer and the change never arrives";
    PROTOCOL_MAJOR_RAISED = "protocol-major-raised", Major,
        "a protocol of another major is needed",
        "a HomePort that spoke the old protocol refuses the port until it is upgraded itself";
    PROTOCOL_MINOR_RAISED = "protocol-minor-raised", Minor,
        "a newer protocol is needed",
        "a HomePort of the old minor refuses the port until it is upgraded itself";
    PROTOCOL_LOWERED = "protocol-lowered", Patch,
        "an older protocol is enough",
        "every HomePort that spoke the newer minor speaks the older one";
    TEXT_CHANGED = "text-changed", Patch,
        "a text for people changed",
        "no program reads it";
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    let (was, is) = (&old.port, &new.port);
    found.unequal(&ID_CHANGED, "/port/id", &was.id, &is.id);
    let versions = || (Some(was.version.to_string()), Some(is.version.to_string()));
    match is.version.cmp_precedence(&was.version) {
        Ordering::Equal if old != new => {
            let (old, new) = versions();
            found.add(&VERSION_REUSED, "/port/version", old, new);
        }
        Ordering::Less => {
            let (old, new) = versions();
            found.add(&VERSION_NOT_ABOVE, "/port/version", old, new);
        }
        Ordering::Equal | Ordering::Greater => {}
    }
    let major = |manifest: &Manifest| manifest.protocol.major();
    let (lower, raise) = match major(old).cmp(&major(new)) {
        Ordering::Less => (&PROTOCOL_LOWERED, &PROTOCOL_MAJOR_RAISED),
        Ordering::Equal => (&PROTOCOL_LOWERED, &PROTOCOL_MINOR_RAISED),
        // No reader of the newer major promises to understand the older one.
        Ordering::Greater => (&PROTOCOL_MAJOR_RAISED, &PROTOCOL_MAJOR_RAISED),
    };
    found.moved((lower, raise), "/protocol", Some(&old.protocol), Some(&new.protocol));
    text("/port/title", &was.title, &is.title, found);
    text("/port/summary", &was.summary, &is.summary, found);
    text("/port/license", &was.license, &is.license, found);
    text("/port/source", &was.source, &is.source, found);
    texts("/port/authors", &was.authors, &is.authors, found);
    texts("/upgrade/notes", &old.upgrade_notes, &new.upgrade_notes, found);
}

/// A text for people: whatever it says, a patch.
pub(super) fn text(subject: impl Into<String>, old: &str, new: &str, found: &mut Found) {
    if old != new {
        found.add(&TEXT_CHANGED, subject, Some(quoted(old)), Some(quoted(new)));
    }
}

fn texts(subject: &str, old: &[String], new: &[String], found: &mut Found) {
    if old != new {
        found.add(&TEXT_CHANGED, subject, Some(listed(old)), Some(listed(new)));
    }
}
