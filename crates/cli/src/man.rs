//! `etalon man`: the manual page, from the same table as `--help`.

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `etalon man`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  etalon man > etalon.1 && man ./etalon.1
  etalon man recompress | man -l -")]
pub(crate) struct Arguments {
    /// Print the page of this subcommand instead
    command: Option<String>,
}

/// Prints the page in roff.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let mut whole = Cli::command();
    whole.build();
    let command = match &arguments.command {
        None => whole,
        Some(name) => whole
            .find_subcommand(name)
            .cloned()
            .map(|command| command.display_name(format!("etalon-{name}")))
            .ok_or_else(|| Failure::arguments(format!("there is no command '{name}'")))?,
    };
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::Output(error.into()))?;
    output.bytes(&page)?;
    Ok(Outcome::Done)
}
