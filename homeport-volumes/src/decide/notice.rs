//! Owns what is worth telling about a volume that may be used all the same. Never refuses anything.

use homeport_core::fault::Fault;

use super::amount::{self, Loss};
use crate::facts::{DataFact, Facts, LabelFact, StampFact};
use crate::request::{Access, Known, Request};

/// What an operator may want to know. Each is worded like a fault, with the same codes. [spec: VOL-38]
pub fn notices(request: &Request, known: Option<&Known>, facts: &Facts) -> Vec<Fault> {
    let (Some(content), Some(place)) = (&facts.content, &facts.place) else { return Vec::new() };
    if request.access != Access::ReadWrite {
        return Vec::new();
    }
    let DataFact::Present { stamp, .. } = &content.data else { return Vec::new() };
    let path = &request.path;
    let notice =
        |code, clause, message: String| Fault::new(code, format!("volumes.{}", request.volume), message).clause(clause);
    let mut notices = Vec::new();
    if let Some((Loss::Half, expected, actual)) = amount::loss(known, content.sample.as_ref()) {
        notices.push(
            notice("HP-VOL-015", "VOL-36", format!("volume `{}` holds less than half of what it did", request.volume))
                .expected(expected)
                .actual(actual)
                .remedy("if nobody deleted that much, stop the instance and look at its snapshots"),
        );
    }
    let foreign = content
        .sample
        .as_ref()
        .filter(|sample| !sample.owners.is_empty() && sample.owners.iter().all(|(uid, _)| *uid != request.owner.uid));
    if let Some(sample) = foreign {
        let owners: Vec<String> = sample.owners.iter().take(8).map(|(uid, n)| format!("{n} of {uid}")).collect();
        notices.push(
            notice("HP-VOL-009", "VOL-39", format!("nothing in `{path}/data` belongs to the port's own user"))
                .expected(format!("entries of {}", request.owner.uid))
                .actual(owners.join(", "))
                .remedy("if the port cannot read its data, change the owner yourself: HomePort changes none"),
        );
    }
    if place.no_exec {
        notices.push(
            notice("HP-VOL-017", "VOL-38", format!("no program in volume `{}` can be run", request.volume))
                .expected("a mount without `noexec`, where the port keeps programs in the volume")
                .actual(format!("`{}` is mounted with `noexec`", place.mount_point.display()))
                .remedy("mount it without `noexec` if the port needs that; mail and documents do not"),
        );
    }
    if *stamp == StampFact::Unsupported {
        notices.push(
            notice("HP-VOL-019", "VOL-7", format!("`{path}/data` cannot say whose data it is"))
                .expected("a file system with `trusted.` attributes")
                .actual(format!("`{}`, which has none", place.fs))
                .remedy("nothing has to be done; the marker beside it still says it"),
        );
    }
    if let LabelFact::Enforced(label) = &content.label
        && !label.as_deref().is_some_and(|label| label.contains(":container_file_t:"))
    {
        notices.push(
            notice("HP-VOL-018", "VOL-38", format!("SELinux may keep the container out of `{path}/data`"))
                .expected("a label with the type `container_file_t`")
                .actual(label.clone().unwrap_or_else(|| "no label".to_owned()))
                .remedy(format!("if the port cannot read its data, run `chcon -R -t container_file_t '{path}/data'`")),
        );
    }
    notices
}
