//! HomePort's own tasks. Owns the command line of `cargo xtask`; each task is a module that does the work.

mod bench;
mod build_on_base;
mod build_port;
mod ci;
mod demo;
mod failures;
mod leftovers;
mod load;
mod run;
mod say;
mod schema;
mod seeded;
mod setup;
mod ssh;
mod static_build;
mod tidy;
mod torture;
mod workspace;

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
    /// Build a port's image, without any registry, and load it into the engine.
    ///
    /// The same folder gives the same image, bit for bit.
    BuildPort(build_port::BuildPort),
    /// Write the JSON Schemas in spec/schema from the wire types.
    Schema {
        /// Write nothing; fail with the differences if a committed schema is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Show the whole: set up, build the shell port, deploy it, log in, replace the container, log in again.
    Demo,
    /// Run every check of this repository.
    Ci,
    /// Measure against a peer, interleaved, and print medians.
    Bench {
        /// What to measure.
        name: bench::Name,
        /// How many pairs; not router.
        #[arg(long, default_value_t = 12)]
        pairs: usize,
        #[command(flatten)]
        extent: bench::Extent,
        #[command(flatten)]
        going: bench::Going,
        #[command(flatten)]
        rounds: bench::Rounds,
    },
    /// Run a program and report what it cost; `bench` runs its programs by it.
    #[command(hide = true)]
    Measure(bench::Measure),
    /// Play a client or the server of a measured network path; `bench` runs both.
    #[command(hide = true)]
    Load(load::Load),
    /// Check the rules of this repository that the compiler does not know.
    Tidy,
    /// Put one fault at a time into a copy of our own code and see that its test fails.
    SeededFaults(seeded::SeededFaults),
    /// Kill, cut off, fill and attack what HomePort needs, and see that it keeps what it promises.
    Torture(torture::Torture),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().task {
        Task::Setup => setup::run(),
        Task::Schema { check } => schema::run(if check { schema::Mode::Check } else { schema::Mode::Write }),
        Task::Tidy => tidy::run(),
        Task::SeededFaults(args) => seeded::run(&args),
        Task::Torture(args) => torture::run(&args),
        Task::Demo => demo::run(),
        Task::Ci => ci::run(),
        Task::Bench { name, pairs, extent, going, rounds } => bench::run(name, pairs, &extent, &going, &rounds),
        Task::Load(args) => load::run(&args),
        Task::Measure(args) => bench::measure(&args),
        Task::BuildPort(args) => build_port::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&error);
            ExitCode::FAILURE
        }
    }
}
