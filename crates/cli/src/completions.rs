//! `etalon completions`: a script that makes a shell complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `etalon completions`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  etalon completions bash > ~/.local/share/bash-completion/completions/etalon
  etalon completions zsh  > ~/.zfunc/_etalon
  etalon completions fish > ~/.config/fish/completions/etalon.fish")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "etalon", &mut script);
    output.bytes(&script)?;
    Ok(Outcome::Done)
}
