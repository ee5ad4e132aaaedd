//! Owns which crate may depend on which, declared and linked. Never asks cargo: its answers come in as text.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use super::file::{Complaint, File};

/// What a port's PID 1 never links.
const NOT_IN_INIT: [&str; 5] = ["tokio", "bollard", "clap", "jsonschema", "schemars"];
/// Crates that only one of ours may depend on.
const HOST_ALONE: [&str; 2] = ["bollard", "rusqlite"];

/// Which crates of the workspace each one declares as a dependency, without those of tests.
pub(super) type Declared = BTreeMap<String, BTreeSet<String>>;

/// Reads the answer of `cargo metadata --no-deps`.
pub(super) fn declared(metadata: &str) -> anyhow::Result<Declared> {
    let json: Value = serde_json::from_str(metadata).context("cargo metadata is not JSON")?;
    let packages = json["packages"].as_array().context("cargo metadata has no packages")?;
    let name = |value: &Value| value["name"].as_str().map(str::to_owned);
    let read = |package: &Value| {
        let dependencies = package["dependencies"].as_array()?;
        let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null()).filter_map(name).collect();
        Some((name(package)?, normal))
    };
    packages.iter().map(|package| read(package).context("cargo metadata has a package without a name")).collect()
}

/// The crates of the workspace that this one may declare; `None` where any is allowed.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "homeport-core" => &[],
        "homeport-volumes" | "homeport-router" => &["homeport-core"],
        "homeport-host" => &["homeport-core", "homeport-volumes", "homeport-router"],
        // The sdk's kit builds and tests images on the author's machine; check_linked keeps it out of default features.
        "homeport-sdk" | "homeport-cli" => &["homeport-core", "homeport-host"],
        "xtask" => return None,
        _ => &["homeport-core", "homeport-sdk"],
    })
}

/// The crates whose own tree is looked at, with default features: what a port's PID 1 is made of.
pub(super) fn linked_alone(declared: &Declared) -> Vec<&str> {
    let of_init = |name: &&String| match name.as_str() {
        "homeport-core" | "homeport-sdk" => true,
        other => !other.starts_with("homeport-") && other != "xtask",
    };
    declared.keys().filter(of_init).map(String::as_str).collect()
}

/// Every declared dependency that is no edge of the design.
pub(super) fn check_declared(declared: &Declared) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (name, dependencies) in declared {
        let at = File::new(format!("crate {name}"), "");
        let ours = dependencies.iter().filter(|dependency| declared.contains_key(*dependency));
        if let Some(allowed) = allowed(name) {
            let refused = ours.filter(|dependency| !allowed.contains(&dependency.as_str()));
            found.extend(refused.map(|dependency| at.complain(0, format!("must not depend on `{dependency}`"))));
        }
        if name != "homeport-host" {
            let refused = HOST_ALONE.iter().filter(|foreign| dependencies.contains(**foreign));
            found
                .extend(refused.map(|foreign| at.complain(0, format!("only homeport-host may depend on `{foreign}`"))));
        }
    }
    found
}

/// Every linked crate that has no place there. `tree` is the answer of `cargo tree --prefix none`.
pub(super) fn check_linked(name: &str, tree: &str) -> Vec<Complaint> {
    let linked: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut refused: Vec<&str> = NOT_IN_INIT.to_vec();
    match name {
        "homeport-core" => refused.push("rustix"),
        _ => refused.extend(["homeport-host", "homeport-router", "homeport-volumes", "homeport-cli"]),
    }
    let at = File::new(format!("crate {name}"), "");
    let mut found: Vec<Complaint> = refused
        .iter()
        .filter(|foreign| linked.contains(**foreign))
        .map(|foreign| at.complain(0, format!("links `{foreign}`")))
        .collect();
    if !linked.contains(name) {
        found.push(at.complain(0, "is not in its own tree"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(rows: &[(&str, &[&str])]) -> Declared {
        rows.iter().map(|(name, to)| ((*name).to_owned(), to.iter().map(|to| (*to).to_owned()).collect())).collect()
    }

    #[test]
    fn the_design_has_no_complaint() {
        let design = edges(&[
            ("homeport-core", &["serde"]),
            ("homeport-volumes", &["homeport-core", "rustix"]),
            ("homeport-router", &["homeport-core", "tokio"]),
            ("homeport-host", &["homeport-core", "homeport-volumes", "homeport-router", "bollard", "rusqlite"]),
            ("homeport-sdk", &["homeport-core", "homeport-host"]),
            ("homeport-cli", &["homeport-core", "homeport-host", "clap"]),
            ("shell-init", &["homeport-core", "homeport-sdk"]),
            ("xtask", &["homeport-cli", "homeport-host"]),
        ]);
        assert_eq!(check_declared(&design), []);
    }

    #[test]
    fn the_trees_looked_at_are_those_of_inits() {
        let all = edges(&[
            ("homeport-cli", &[]),
            ("homeport-core", &[]),
            ("homeport-sdk", &[]),
            ("web-init", &[]),
            ("xtask", &[]),
        ]);
        assert_eq!(linked_alone(&all), ["homeport-core", "homeport-sdk", "web-init"]);
    }

    #[test]
    fn an_edge_backwards_is_found() {
        let rows = [
            ("homeport-core", "homeport-volumes"),
            ("homeport-router", "homeport-volumes"),
            ("shell-init", "homeport-router"),
        ];
        for (from, to) in rows {
            let found = check_declared(&edges(&[(from, &[to]), (to, &[])]));
            assert_eq!(found.len(), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn only_the_host_speaks_to_engine_and_ledger() {
        assert_eq!(check_declared(&edges(&[("homeport-cli", &["bollard"]), ("xtask", &["rusqlite"])])).len(), 2);
    }

    #[test]
    fn what_an_init_must_not_link_is_found() {
        let tree = "homeport-sdk v0.1.0 (/x)\nserde v1.0.0\ntokio v1.0.0 (*)\n";
        let found = check_linked("homeport-sdk", tree);
        assert_eq!(found.iter().map(|found| found.message.as_str()).collect::<Vec<_>>(), ["links `tokio`"]);
        assert_eq!(check_linked("homeport-core", "homeport-core v0.1.0\nrustix v1.0.0\n").len(), 1);
        assert_eq!(check_linked("homeport-sdk", "homeport-sdk v0.1.0\nrustix v1.0.0\n"), []);
        assert_eq!(check_linked("homeport-sdk", "").len(), 1);
    }

    #[test]
    fn metadata_is_read_without_the_dependencies_of_tests() {
        let text = r#"{"packages":[{"name":"a","dependencies":[{"name":"b","kind":null},{"name":"c","kind":"dev"}]}]}"#;
        assert_eq!(declared(text).unwrap(), edges(&[("a", &["b"])]));
        assert!(declared("{}").is_err());
    }
}
