//! Owns a change of version from what was asked for to what came of it: prepared, consented to, carried out, and what ran
//! before started again where it fails. Never decides whether it may be, nor which step comes when.

use std::collections::BTreeMap;

use homeport_core::name::{EndpointName, InstanceName};
use homeport_router::ListenAddress;
use homeport_volumes::TxId;

use super::target::Target;
use super::view::{Upgraded, VersionChanged, VersionPlan};
use super::{present, target};
use crate::approval::{Token, TokenUse};
use crate::host::Host;
use crate::image::PortImage;
use crate::ledger::{FormerRecord, LedgerWriter, RetiringRecord, RootId, Time};
use crate::operation::consent::Question;
use crate::operation::enter::{enter, known, ready};
use crate::operation::error::OperationError;
use crate::operation::lifecycle;
use crate::operation::outcome::Outcome;
use crate::operation::remove::Execution;
use crate::operation::survey::Survey;
use crate::plan::Kind;
use crate::request::{RollbackRequest, UpgradeRequest};
use crate::run::{RunError, Session, records, with_causes};

/// Everything that is known before a change of version.
pub(super) struct Prepared {
    pub(super) plan: VersionPlan,
    pub(super) survey: Survey,
    pub(super) bundle: TxId,
    pub(super) question: Question,
    /// Whether what runs is interrupted, and has to run again where it fails.
    pub(super) runs: bool,
}

/// Gives an instance another version of its port. Where that does not get ready, or anything else fails, the version from
/// before runs on the data from before, and the error says why. Where it has that version already, nothing is done.
pub fn upgrade(host: &Host, request: &UpgradeRequest) -> Result<Outcome<VersionPlan, Upgraded>, OperationError> {
    ready(host)?;
    enter(host, Kind::Upgrade, &request.instance, |writer, root| {
        let record = known(writer, &request.instance)?;
        let next = match target::upgrade(host, &record, request)? {
            Target::Image(next) => next,
            Target::There(there) => return Ok(Outcome::Done(Upgraded::Unchanged(there))),
        };
        let former = writer.former(&request.instance)?;
        let asked = present::Asked {
            kind: Kind::Upgrade,
            instance: &request.instance,
            given: &request.given,
            routes: &request.routes,
            former: former.as_ref(),
        };
        Ok(match go(host, writer, root, &asked, &next, (request.execution, request.approve.as_ref()))? {
            Outcome::Planned { plan, approval } => Outcome::Planned { plan, approval },
            Outcome::Done(changed) => Outcome::Done(Upgraded::Changed(Box::new(changed))),
        })
    })
}

/// Gives an instance the version back that it had before. What the present version made of the data is kept aside.
pub fn rollback(
    host: &Host,
    request: &RollbackRequest,
) -> Result<Outcome<VersionPlan, VersionChanged>, OperationError> {
    ready(host)?;
    enter(host, Kind::Rollback, &request.instance, |writer, root| {
        let record = known(writer, &request.instance)?;
        let former: FormerRecord = target::former(writer, &record)?;
        let next: PortImage = target::rollback(host, &record, &former)?;
        let asked = present::Asked {
            kind: Kind::Rollback,
            instance: &request.instance,
            given: &[],
            routes: &request.routes,
            former: Some(&former),
        };
        go(host, writer, root, &asked, &next, (request.execution, request.approve.as_ref()))
    })
}

fn go(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    asked: &present::Asked<'_>,
    next: &PortImage,
    (execution, approve): (Execution, Option<&Token>),
) -> Result<Outcome<VersionPlan, VersionChanged>, OperationError> {
    let prepared = present::prepare(host, writer, root, asked, next)?;
    if execution == Execution::DryRun {
        let approval = prepared.question.offer(host, writer)?;
        return Ok(Outcome::Planned { plan: prepared.plan, approval });
    }
    let approval = prepared.question.consent(host, writer, approve)?;
    carry_out(host, writer, root, prepared, approval).map(Outcome::Done)
}

/// Carries the plan out; where it fails and is taken back, what ran before runs again.
fn carry_out(
    host: &Host,
    writer: &mut LedgerWriter<'_>,
    root: &RootId,
    prepared: Prepared,
    approval: Option<TokenUse>,
) -> Result<VersionChanged, OperationError> {
    let Prepared { plan, survey, bundle, runs, .. } = prepared;
    let (notices, again) = (survey.notices.clone(), survey.again.clone());
    let (name, mut warnings) = (plan.instance.clone(), plan.warnings);
    let mut session = Session::new(host, writer, root.clone(), plan.plan.kind, name.clone())
        .approved(approval)
        .toward(survey.blueprint, survey.checked);
    match session.run(&plan.plan) {
        Ok(()) => {
            let (snapshot, trash) = (session.before, (!session.kept.is_empty()).then_some(bundle));
            match session.follow() {
                Ok(()) => {}
                Err(RunError::Died { kind, instance }) => return Err(RunError::Died { kind, instance }.into()),
                Err(error) => warnings.push(format!(
                    "what is left of the version from before is not put away yet, and the next command does it: {}",
                    with_causes(&error)
                )),
            }
            drop(session);
            warnings.extend(readdressed(writer, &name, &again)?);
            Ok(VersionChanged {
                lingers_until: lingers(writer.retiring(&name)?),
                running: if runs { Some(lifecycle::running(host, writer, &name, notices)?) } else { None },
                instance: name,
                from: plan.from,
                to: plan.to,
                snapshot,
                trash,
                way_back: plan.way_back,
                warnings,
            })
        }
        Err(failed @ RunError::Undone { .. }) if runs => {
            drop(session);
            match lifecycle::bring_back_in(host, writer, root, &name) {
                Ok(()) => Err(failed.into()),
                Err(source) => {
                    Err(OperationError::NotRestored { name, failed: Box::new(failed.into()), source: Box::new(source) })
                }
            }
        }
        Err(failed) => Err(failed.into()),
    }
}

/// The endpoints that did not get the address again that they had before.
fn readdressed(
    writer: &LedgerWriter<'_>,
    name: &InstanceName,
    again: &BTreeMap<EndpointName, ListenAddress>,
) -> Result<Vec<String>, OperationError> {
    let routes = writer.routes(name)?;
    let other = |(endpoint, before): (&EndpointName, &ListenAddress)| {
        let route = routes.iter().find(|route| route.endpoint == *endpoint)?;
        let now = records::listen_address(route).filter(|now| now != before)?;
        Some(format!(
            "`{endpoint}` has the public address `{now}`: something else listens on `{before}`, which it had before"
        ))
    };
    Ok(again.iter().filter_map(other).collect())
}

fn lingers(retiring: Vec<RetiringRecord>) -> Option<Time> {
    retiring.into_iter().map(|record| record.until).max()
}

/// What is asked for, for messages.
pub(super) fn what(kind: Kind, name: &InstanceName) -> String {
    format!("{kind} of `{name}`")
}
