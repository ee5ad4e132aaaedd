//! Owns which image an instance is to get: the one that is named, the highest that will do, or that from before.
//! Never judges whether it may.

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::manifest;
use homeport_core::upgrade::is_same_version;

use super::change::what;
use super::view::AlreadyThere;
use crate::host::Host;
use crate::image::{ImageError, PortImage, find, passed_over};
use crate::ledger::{FormerRecord, InstanceRecord, Ledger};
use crate::operation::OperationError;
use crate::plan::Kind;
use crate::request::{PortRef, UpgradeRequest, VersionChoice};
use crate::run::with_causes;

/// What an upgrade leads to.
pub(super) enum Target {
    /// This image.
    Image(Box<PortImage>),
    /// Nothing: the instance has it already.
    There(AlreadyThere),
}

/// The image to go to: the one that is named, else the highest release. Where the instance has that, there is nothing to do,
/// unless something else was asked for beside it, or an image that cannot be used may be the one that is meant.
pub(super) fn upgrade(host: &Host, present: &InstanceRecord, asked: &UpgradeRequest) -> Result<Target, OperationError> {
    let to = asked.to.as_ref();
    let port = PortRef::Id(present.port.clone());
    let verified = host.verified_images();
    let found = match to {
        None => find(&*host.engine, &port, None, &verified),
        Some(VersionChoice::Version(prefix)) => find(&*host.engine, &port, Some(&prefix.range()), &verified),
        Some(VersionChoice::Image(image)) => find(&*host.engine, &PortRef::Image(image.clone()), None, &verified),
    }?;
    let is_present = found.id == present.image && is_same_version(&found.manifest.port.version, &present.version);
    let is_lower = found.manifest.port.version.cmp_precedence(&present.version).is_lt();
    if !is_present && (to.is_some() || !is_lower) {
        return Ok(Target::Image(Box::new(found)));
    }
    if to.is_none() {
        let unusable = passed_over(&*host.engine, &present.port)?;
        if let Some(first) = unusable.first() {
            let highest = format!("version {} of port `{}`", found.manifest.port.version, present.port);
            return Err(refused(Kind::Upgrade, present, none_usable(present, highest, &unusable, first)));
        }
    }
    if !asked.given.is_empty() || !asked.routes.is_empty() {
        return Err(refused(Kind::Upgrade, present, more_was_asked_for(present)));
    }
    let (instance, version) = (present.name.clone(), present.version.clone());
    Ok(Target::There(AlreadyThere { instance, version, named: to.is_some() }))
}

/// That there is no higher version that can be used, and which of its images cannot be, since one of them may be meant.
fn none_usable(present: &InstanceRecord, highest: String, passed_over: &[ImageError], first: &ImageError) -> Fault {
    let said = format!(
        "`{}` has version {} already, and the engine holds no higher one that can be used",
        present.name, present.version
    );
    let found = passed_over.iter().fold(highest, |found, error| format!("{found}; {}", with_causes(error)));
    let fault =
        Fault::new("HP-VER-001", "port.version", said).actual(found).expected("a higher version that can be used");
    first.help().into_iter().fold(fault, Fault::remedy)
}

/// That values or addresses were given and there is no change of version that they could be a part of.
fn more_was_asked_for(present: &InstanceRecord) -> Fault {
    let (name, version) = (&present.name, &present.version);
    Fault::new("HP-VER-001", "port.version", format!("`{name}` has version {version} already"))
        .actual("values or addresses for another version")
        .expected("another version, or neither")
        .remedy(format!(
            "to change its configuration: `homeport config {name} set KEY=VALUE`; its addresses stay as they are"
        ))
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
