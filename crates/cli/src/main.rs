//! The `etalon` command: HDF5 compression for detector data, measured and checked.
//!
//! One file per subcommand; [`cli`] is the table of them. Results go to stdout, everything else to stderr, and the
//! exit code says what happened (see [`failure`]).

mod args;
mod bench;
mod bench_options;
mod bench_table;
mod catalogue;
mod cli;
mod codecs;
mod completions;
mod demo;
mod demo_reader;
mod demo_report;
mod doctor;
mod failure;
mod html;
mod icat_options;
mod inspect;
mod man;
mod measure;
mod measure_rows;
mod measured;
mod metric_options;
mod metrics;
mod output;
mod picture;
mod progress;
mod python;
mod recompress;
mod report;
mod report_data;
mod report_grid;
mod report_input;
mod report_page;
mod report_pictures;
mod scan;
mod table;
mod target;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use etalon_measure::file_size_limit::fail_instead_of_dying;
use etalon_measure::plugin_probe::PROBE_COMMAND;

fn main() -> ExitCode {
    fail_instead_of_dying();
    let mut words = std::env::args_os().skip(1);
    let result = match words.next() {
        // Not in the table of commands: help and completions would offer it.
        Some(word) if word == PROBE_COMMAND => {
            doctor::probe(words.next().unwrap_or_default().as_ref())
        }
        _ => cli::Cli::parse().run(),
    };
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(failure) => {
            eprintln!("etalon: {failure}");
            failure.exit_code()
        }
    }
}
