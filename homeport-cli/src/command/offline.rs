//! `homeport completions` and `homeport man`: made of the same definitions as the command line itself, without the host.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Page, Render};

pub(super) fn completions(context: &Context, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "homeport", &mut script);
    context.write(&script)?;
    Ok(Exit::Done)
}

/// The manual pages that were written.
#[derive(Debug, serde::Serialize)]
struct PagesReport {
    pages: Vec<String>,
}

impl Render for PagesReport {
    fn text(&self, page: &mut Page) {
        for path in &self.pages {
            page.line(path);
        }
    }
}

pub(super) fn man(context: &Context, dir: &Path) -> Result<Exit, Failure> {
    let failed = |source| Failure::Write { dir: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut pages = Vec::new();
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives the pages of subcommands their whole names, and the options that every command takes.
    command.build();
    write_pages(command, dir, &mut pages).map_err(failed)?;
    context.print(&PagesReport { pages })?;
    Ok(Exit::Done)
}

/// Writes `homeport.1`, `homeport-deploy.1`, `homeport-route-list.1` and so on.
fn write_pages(command: clap::Command, dir: &Path, pages: &mut Vec<String>) -> std::io::Result<()> {
    let children: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    pages.push(clap_mangen::Man::new(command).generate_to(dir)?.display().to_string());
    children.into_iter().try_for_each(|child| write_pages(child, dir, pages))
}
