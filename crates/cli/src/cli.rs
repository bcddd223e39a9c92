//! The command line: every subcommand with its arguments, and the options all of them share.

use std::num::NonZeroUsize;

use clap::{Args, Parser, Subcommand};

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::{
    args, bench, bench_options, catalogue, codecs, completions, demo, doctor, inspect, man,
    measure, metrics, recompress, report, scan, verify,
};

/// HDF5 compression for detector data, measured and checked
///
/// Etalon makes HDF5 files smaller without losing a value, and any HDF5 program reads and writes them once
/// HDF5_PLUGIN_PATH names the folder with Etalon's plugins.
#[derive(Parser)]
#[command(
    name = "etalon",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "\
Examples:
  etalon demo                     see what it does, in less than a minute
  etalon measure run42.h5 --codec bitshuffle --codec shuffle+gzip
  etalon recompress run42.h5 small.h5 --codec bitshuffle:compressor=zstd
  etalon doctor small.h5          can HDF5 programs read it here?

FILE may be file.h5 or file.h5::/path/to/dataset, where the path may hold * and ?.
Exit codes: 0 done; 1 a check failed; 2 wrong arguments; 3 input unreadable or damaged; 4 output not \
written.")]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// More threads only take memory: each holds a few chunks.
const MOST_JOBS_PER_PROCESSOR: usize = 16;

/// Options of every subcommand.
#[derive(Args)]
pub(crate) struct Common {
    /// Print JSON on standard output instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Print no remarks and no progress on standard error
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more on standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Threads for work that is done chunk by chunk or frame by frame, at most 16 per processor [default: one per processor]
    #[arg(short, long, global = true, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl Common {
    /// How many threads to use.
    pub(crate) fn jobs(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let asked = self.jobs.map_or(processors, NonZeroUsize::get);
        asked.min(MOST_JOBS_PER_PROCESSOR * processors)
    }
}

/// The subcommands, in the order of the help.
#[derive(Subcommand)]
enum Command {
    /// Show Etalon on simulated detector frames, or on FILE
    Demo(demo::Arguments),
    /// Measure ratio, speed, error and science metrics of codecs, or of one dataset beside another
    Measure(measure::Arguments),
    /// Compare codecs with everybody else's through h5py, and with what the data allow
    Bench(bench_options::Arguments),
    /// Make one page of plots, pictures and verdicts from what `measure --json` printed
    Report(report::Arguments),
    /// Copy a file with its datasets compressed by another codec
    Recompress(recompress::Arguments),
    /// Show how the datasets of a file are stored, and check their chunks
    Inspect(inspect::Arguments),
    /// Find the smallest way to store a dataset that keeps a requirement
    Scan(scan::Arguments),
    /// List the requirements that come with the program, or print one
    Profiles {
        /// Name of a profile, as in saxs
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Check that a file is what it claims to be, alone or beside its original
    Verify(verify::Arguments),
    /// Collect what is known of the datasets of many files in one table
    Catalogue(catalogue::Arguments),
    /// Find out which filter plugins HDF5 programs get here, and whether they can read a file
    Doctor(doctor::Arguments),
    /// List the codecs and their settings
    Codecs,
    /// List the metrics, what they yield and what they need to know
    Metrics,
    /// Print a SPEC as h5repack, nccopy, h5py and C want it
    Args(args::Arguments),
    /// Print a script for the completion of this command in a shell
    Completions(completions::Arguments),
    /// Print the manual page
    Man(man::Arguments),
}

impl Cli {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let output = Output {
            json: self.common.json,
            quiet: self.common.quiet,
            verbose: self.common.verbose,
        };
        let outcome = self.run_command(output);
        if let Err(failure) = &outcome {
            output.error(failure)?;
        }
        outcome
    }

    fn run_command(self, output: Output) -> Result<Outcome, Failure> {
        let jobs = self.common.jobs();
        match self.command {
            Command::Demo(arguments) => demo::run(&arguments, output, jobs),
            Command::Measure(arguments) => measure::run(&arguments, output, jobs),
            Command::Bench(arguments) => bench::run(&arguments, output),
            Command::Report(arguments) => report::run(&arguments, output),
            Command::Recompress(arguments) => recompress::run(&arguments, output, jobs),
            Command::Inspect(arguments) => inspect::run(&arguments, output),
            Command::Scan(arguments) => scan::run(&arguments, output, jobs),
            Command::Profiles { name } => scan::profiles(name.as_deref(), output),
            Command::Verify(arguments) => verify::run(&arguments, output, jobs),
            Command::Catalogue(arguments) => catalogue::run(&arguments, output),
            Command::Doctor(arguments) => doctor::run(&arguments, output),
            Command::Codecs => codecs::run(output),
            Command::Metrics => metrics::run(output),
            Command::Args(arguments) => args::run(&arguments, output),
            Command::Completions(arguments) => completions::run(&arguments, output),
            Command::Man(arguments) => man::run(&arguments, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
