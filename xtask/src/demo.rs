//! Shows the whole on this machine: setup, the shell port, an instance, a login, that data outlives the container, and a
//! change of version under an open session.
//! Never touches the machine's own HomePort: it has one of its own, below `ROOT`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::ssh::Login;
use crate::workspace::Workspace;
use crate::{build_port, ci, run, say, setup, ssh};

/// Where the demo's HomePort has everything. Short, because the names of sockets below it may not be long.
pub(crate) const ROOT: &str = "/var/lib/homeport-demo";
/// The demo's instance.
const NAME: &str = "demo";
/// The version that is deployed: the older of the two.
const VERSION: &str = "=1.0";
/// What is written to the home directory and has to be there afterwards.
const FILE: &str = "hello-from-the-demo";

/// Runs the demo; at its end the instance runs, and the output says how to connect to it.
pub(crate) fn run() -> Result<()> {
    let begun = Instant::now();
    let workspace = Workspace::find()?;
    say::line("demo: 1 of 8: making this machine ready");
    setup::run()?;
    say::line("demo: 2 of 8: building `homeport` and both versions of the shell port (a few minutes the first time)");
    let homeport = ci::homeport(&workspace)?;
    build_port::every_version(&workspace, &workspace.root().join("ports/shell"))?;

    say::line("demo: 3 of 8: deploying an instance");
    let demo = Demo::new(homeport)?;
    if demo.is_deployed()? {
        if !demo.version()?.starts_with("1.0.") {
            say::line("demo: an earlier run ended before its way back; going back first");
            demo.homeport(&["rollback", NAME])?;
        }
        say::line("demo: an instance of an earlier run is there; removing it keeps its data");
        demo.homeport(&["remove", NAME])?;
    }
    let keys = format!("authorized_keys={}", demo.key.with_extension("pub").display());
    let route = ["--route", "ssh=127.0.0.1:random"];
    let deploy = ["deploy", "shell", "--version", VERSION, "--name", NAME, "--set-file", &keys];
    demo.homeport(&[&deploy[..], &route].concat())?;
    let login = demo.login()?;

    say::line(format_args!("demo: 4 of 8: logging in with `{}`", login.words()));
    let text = format!("written by the demo, process {}", std::process::id());
    show(&login, &format!("echo '{text}' > ~/{FILE} && echo \"logged in as $(whoami) on $(hostname), shell $SHELL\""))?;

    say::line("demo: 5 of 8: replacing the container");
    let before = demo.container()?;
    demo.homeport(&["restart", NAME])?;
    ensure!(demo.container()? != before, "the container was not replaced");

    say::line("demo: 6 of 8: logging in again, same address, same host key");
    let found = show(&login, &format!("cat ~/{FILE}"))?;
    ensure!(
        found.trim() == text,
        "the file in the home directory is another one: found `{}`, wanted `{text}`",
        found.trim()
    );
    say::line(format_args!("demo: `~/{FILE}` is still there: {}", found.trim()));

    say::line("demo: 7 of 8: upgrading, while a session is open");
    let mut open = login.open()?;
    let process = open.ask("echo $$")?;
    demo.homeport(&["upgrade", NAME])?;
    ensure!(open.ask("echo $$")? == process, "the session that was open is another one now");
    let found = show(&login, &format!("cat ~/{FILE}"))?;
    ensure!(found.trim() == text, "the file in the home directory is another one: found `{}`", found.trim());
    say::line(format_args!("demo: the open session goes on (process {process}), and a new one has the file too"));

    say::line("demo: 8 of 8: going back to the version from before");
    demo.homeport(&["rollback", NAME])?;
    let found = show(&login, &format!("cat ~/{FILE}"))?;
    ensure!(found.trim() == text, "the file in the home directory is another one: found `{}`", found.trim());
    open.close()?;
    demo.homeport(&["history", NAME])?;

    say::line(format_args!("demo: done in {} s. Connect with:", begun.elapsed().as_secs()));
    say::line(format_args!("  {}", login.words()));
    say::line("and remove it, with its data, with:");
    let homeport = demo.homeport.display();
    say::line(format_args!(
        "  {homeport} --root {ROOT} remove {NAME} && {homeport} --root {ROOT} daemon stop && rm -r {ROOT}"
    ));
    Ok(())
}

/// The demo's HomePort.
struct Demo {
    homeport: PathBuf,
    key: PathBuf,
}

impl Demo {
    fn new(homeport: PathBuf) -> Result<Self> {
        let client = Path::new(ROOT).join("client");
        fs::create_dir_all(&client).with_context(|| format!("cannot make `{}`", client.display()))?;
        let key = client.join("id_ed25519");
        if !key.exists() {
            ssh::make_key(&key)?;
        }
        Ok(Self { homeport, key })
    }

    /// Runs one command of the demo's HomePort, with its output passed on.
    fn homeport(&self, args: &[&str]) -> Result<()> {
        say::line(format_args!("$ homeport {}", args.join(" ")));
        run::pass(Command::new(&self.homeport).args(["--root", ROOT]).args(args))
    }

    /// Runs one command and reads its JSON.
    fn json(&self, args: &[&str]) -> Result<Value> {
        let text = run::take(Command::new(&self.homeport).args(["--root", ROOT, "--json"]).args(args))?;
        serde_json::from_str(&text).with_context(|| format!("`homeport {}` gave no JSON: {text}", args.join(" ")))
    }

    fn is_deployed(&self) -> Result<bool> {
        let list = self.json(&["list"])?;
        let list = list["instances"].as_array().context("`homeport list` gave no list")?;
        Ok(list.iter().any(|instance| instance["name"] == NAME))
    }

    fn version(&self) -> Result<String> {
        let status = self.json(&["status", NAME])?["instance"].take();
        status["version"].as_str().map(str::to_owned).context("the instance has no version")
    }

    fn container(&self) -> Result<String> {
        let status = self.json(&["status", NAME])?["instance"].take();
        status["container"].as_str().map(str::to_owned).context("the instance has no container")
    }

    /// How to log in, with the host key that HomePort told.
    fn login(&self) -> Result<Login> {
        let status = self.json(&["status", NAME])?["instance"].take();
        Login::of(&status, &self.key, &Path::new(ROOT).join("client/known_hosts"))
    }
}

/// Runs something over SSH and shows what it says.
fn show(login: &Login, script: &str) -> Result<String> {
    let text = run::take(&mut login.ssh(script))?;
    say::line(format_args!("  {}", text.trim_end()));
    Ok(text)
}
