//! HomePort's own tasks. Owns the command line of `cargo xtask`; each task is a module that does the work.

mod say;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// HomePort's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what HomePort needs from the distribution's packages and start the engine.
    ///
    /// Says each thing that it does or finds done; harmless when repeated.
    Setup,
}

fn main() -> ExitCode {
    let outcome = match Args::parse().task {
        Task::Setup => setup::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&error);
            ExitCode::FAILURE
        }
    }
}
