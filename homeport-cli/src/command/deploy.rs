//! `homeport deploy`.

use std::collections::BTreeMap;
use std::fmt::Display;

use homeport_host::operation::{DeployOutcome, deploy, plan_deploy};
use homeport_host::request::DeployRequest;

use super::values::read_values;
use crate::args::DeployArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{DeployPlanReport, Outcome, RunningReport};

pub(super) fn run(context: &Context, args: DeployArgs) -> Result<Exit, Failure> {
    let request = DeployRequest {
        port: args.port,
        version: args.version,
        name: args.name,
        volumes: unique("--volume", args.volume)?,
        routes: unique("--route", args.route)?,
        given: read_values(args.set, args.set_file)?,
    };
    let host = context.host()?;
    if args.dry_run {
        let planned = plan_deploy(&host, &request)?;
        context.print(&DeployPlanReport::new(planned))?;
        return Ok(Exit::Done);
    }
    let deployed = deploy(&host, &request)?;
    let outcome = match deployed.outcome {
        DeployOutcome::Created => Outcome::Created,
        DeployOutcome::Started => Outcome::Started,
        DeployOutcome::Unchanged => Outcome::Unchanged,
    };
    context.print(&RunningReport::new(outcome, deployed.running, &Context::public_name()))?;
    Ok(Exit::Done)
}

/// The pairs by name; a name that is given twice would be one too many.
pub(super) fn unique<K: Ord + Display, V>(option: &str, pairs: Vec<(K, V)>) -> Result<BTreeMap<K, V>, Failure> {
    let mut all = BTreeMap::new();
    for (name, value) in pairs {
        if all.contains_key(&name) {
            let message = format!("`{option} {name}=...` is given twice");
            return Err(Failure::Usage { message, help: "leave one of them out" });
        }
        all.insert(name, value);
    }
    Ok(all)
}
