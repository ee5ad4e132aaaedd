//! `homeport upgrade` and `homeport rollback`.

use homeport_core::name::EndpointName;
use homeport_host::operation::{rollback as go_back, upgrade as go};
use homeport_host::request::{RollbackRequest, RouteWish, UpgradeRequest};

use super::deploy::unique;
use super::values::read_values;
use crate::args::{RollbackArgs, UpgradeArgs, ValueSource};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{VersionReport, quoted};

pub(super) fn upgrade(context: &Context, args: UpgradeArgs) -> Result<Exit, Failure> {
    let command = command_of(&args);
    let request = UpgradeRequest {
        instance: args.name,
        to: args.to,
        given: read_values(args.set, args.set_file)?,
        routes: unique("--route", args.route)?,
        execution: args.consent.execution(),
        approve: args.consent.approve,
    };
    let outcome = go(&context.host()?, &request)?;
    context.print(&VersionReport::upgraded(outcome, command, &Context::public_name()))?;
    Ok(Exit::Done)
}

pub(super) fn rollback(context: &Context, args: RollbackArgs) -> Result<Exit, Failure> {
    let mut words = vec!["homeport".to_owned(), "rollback".to_owned(), args.name.to_string()];
    words.extend(route_words(&args.route));
    let command = words.join(" ");
    let request = RollbackRequest {
        instance: args.name,
        routes: unique("--route", args.route)?,
        execution: args.consent.execution(),
        approve: args.consent.approve,
    };
    let outcome = go_back(&context.host()?, &request)?;
    context.print(&VersionReport::new(outcome, command, &Context::public_name()))?;
    Ok(Exit::Done)
}

/// The command that carries out what these arguments ask for, without a token, as a shell reads it.
fn command_of(args: &UpgradeArgs) -> String {
    let mut words = vec!["homeport".to_owned(), "upgrade".to_owned(), args.name.to_string()];
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    if let Some(to) = &args.to {
        option("--to", &to.to_string());
    }
    for given in &args.set {
        option("--set", &format!("{}={}", given.key, given.text));
    }
    for file in &args.set_file {
        let from = match &file.from {
            ValueSource::Stdin => "-".to_owned(),
            ValueSource::File(path) => path.display().to_string(),
        };
        option("--set-file", &format!("{}={from}", file.key));
    }
    words.extend(route_words(&args.route));
    words.join(" ")
}

fn route_words(routes: &[(EndpointName, RouteWish)]) -> impl Iterator<Item = String> {
    routes.iter().flat_map(|(endpoint, wish)| ["--route".to_owned(), quoted(&format!("{endpoint}={wish}"))])
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn the_command_that_is_told_is_the_one_that_was_typed_without_the_dry_run() {
        let words = [
            "homeport",
            "upgrade",
            "alice",
            "--dry-run",
            "--set",
            "banner=it's here",
            "--to",
            "1.1",
            "--set-file",
            "key=/a b",
            "--set-file",
            "other=-",
            "--route",
            "web=127.0.0.1:random",
        ];
        let Command::Upgrade(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not upgrade") };
        assert_eq!(
            command_of(&args),
            r"homeport upgrade alice --to 1.1 --set 'banner=it'\''s here' --set-file 'key=/a b' --set-file other=- --route web=127.0.0.1:random"
        );
    }
}
