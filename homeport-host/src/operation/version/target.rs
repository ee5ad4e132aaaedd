//! Owns which image an instance is to get: the one that is named, the highest that will do, or that from before.
//! Never judges whether it may.

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::manifest;
use homeport_core::upgrade::is_same_version;

use super::change::what;
use crate::host::Host;
use crate::image::{ImageError, PortImage, find, passed_over};
use crate::ledger::{FormerRecord, InstanceRecord, Ledger};
use crate::operation::OperationError;
use crate::plan::Kind;
use crate::request::{PortRef, VersionChoice};
use crate::run::with_causes;

/// The image to go to: the one that is named, else the highest release.
pub(super) fn upgrade(
    host: &Host,
    present: &InstanceRecord,
    to: Option<&VersionChoice>,
) -> Result<PortImage, OperationError> {
    let port = PortRef::Id(present.port.clone());
    let verified = host.verified_images();
    let found = match to {
        None => find(&*host.engine, &port, None, &verified),
        Some(VersionChoice::Version(prefix)) => find(&*host.engine, &port, Some(&prefix.range()), &verified),
        Some(VersionChoice::Image(image)) => find(&*host.engine, &PortRef::Image(image.clone()), None, &verified),
    }?;
    let is_present = found.id == present.image && is_same_version(&found.manifest.port.version, &present.version);
    let is_lower = found.manifest.port.version.cmp_precedence(&present.version).is_lt();
    if is_present || (to.is_none() && is_lower) {
        let highest = format!("version {} of port `{}`", found.manifest.port.version, present.port);
        let fault = if to.is_none() {
            no_higher(present, highest, &passed_over(&*host.engine, &present.port)?)
        } else {
            let (name, version) = (&present.name, &present.version);
            Fault::new("HP-VER-001", "port.version", format!("`{name}` has version {version} already"))
                .actual(highest)
                .expected("another version")
                .remedy(format!("name another one after `--to`; `homeport upgrade {name}` goes to the highest"))
        };
        return Err(refused(Kind::Upgrade, present, fault));
    }
    Ok(found)
}

/// That there is no higher version, and which of its images cannot be used, since one of them may be the one that is meant.
fn no_higher(present: &InstanceRecord, highest: String, passed_over: &[ImageError]) -> Fault {
    let said =
        format!("`{}` has version {} already, and the engine holds no higher one", present.name, present.version);
    let fault = |said: String| Fault::new("HP-VER-001", "port.version", said);
    let Some(first) = passed_over.first() else {
        return fault(said).actual(highest).expected("a higher version").remedy(
            "build or load the image of the version that you want (`docker images` lists what is there), or name an older \
             one: `--to VERSION`",
        );
    };
    let found = passed_over.iter().fold(highest, |found, error| format!("{found}; {}", with_causes(error)));
    let fault = fault(said + " that can be used").actual(found).expected("a higher version that can be used");
    first.help().into_iter().fold(fault, Fault::remedy)
}

/// What the ledger remembers of the version from before.
pub(super) fn former(ledger: &Ledger, present: &InstanceRecord) -> Result<FormerRecord, OperationError> {
    let fault = || {
        Fault::new(
            "HP-VER-002",
            "instance",
            format!("`{}` never had another version than {}", present.name, present.version),
        )
        .expected("a version that was there before")
        .remedy(format!("for another version: `homeport upgrade {} --to VERSION`", present.name))
    };
    ledger.former(&present.name)?.ok_or_else(|| refused(Kind::Rollback, present, fault()))
}

/// The image of the version from before, which the engine has to hold still.
pub(super) fn rollback(
    host: &Host,
    present: &InstanceRecord,
    former: &FormerRecord,
) -> Result<PortImage, OperationError> {
    let id = former.image.to_string();
    let image = id.parse().map_err(|source| crate::request::PortRefError { found: id.clone(), source });
    let image = image.map_err(|error| refused(Kind::Rollback, present, unnamed(&error.to_string())))?;
    match find(&*host.engine, &PortRef::Image(image), None, &host.verified_images()) {
        Ok(found) => Ok(PortImage { reference: former.reference.clone(), ..found }),
        Err(ImageError::Missing { .. }) => {
            let version = manifest::parse(&former.manifest)
                .map_or_else(|_| former.version.to_string(), |manifest| manifest.port.version.to_string());
            let fault = Fault::new(
                "HP-VER-003",
                "image",
                format!("the engine does not hold the image of version {version} any more"),
            )
            .actual(format!("no image `{}`", former.image))
            .expected(format!("the image that `{}` ran before", present.name))
            .remedy(format!("load or build it again (it was called `{}`), and repeat the command", former.reference));
            Err(refused(Kind::Rollback, present, fault))
        }
        Err(error) => Err(error.into()),
    }
}

fn unnamed(found: &str) -> Fault {
    Fault::new("HP-VER-003", "image", "the image of the version from before cannot be named").actual(found.to_owned())
}

fn refused(kind: Kind, present: &InstanceRecord, fault: Fault) -> OperationError {
    OperationError::Refused { what: what(kind, &present.name), faults: vec![fault] }
}
