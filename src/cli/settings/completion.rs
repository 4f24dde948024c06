//! `completion`: a script that teaches a shell this program's commands and flags.

use clap_complete::Shell;

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::program::Program;
use crate::cli::tree;
use crate::cli::usage;

/// Output shell completion code for the specified shell (bash, zsh, fish, powershell, elvish)
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift completion SHELL",
    after_help = "\
Examples:
  # For this session of bash; nothing else has to be installed
  source <(upshift completion bash)

  # For every session of zsh
  upshift completion zsh > \"${fpath[1]}/_upshift\"

  # For fish
  upshift completion fish > ~/.config/fish/completions/upshift.fish"
)]
pub struct Args {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL")]
    pub shells: Vec<String>,
}

/// Every shell that there is a script for, with the name of its file.
pub const SHELLS: &[(Shell, &str)] = &[
    (Shell::Bash, "upshift.bash"),
    (Shell::Zsh, "_upshift"),
    (Shell::Fish, "upshift.fish"),
    (Shell::PowerShell, "upshift.ps1"),
    (Shell::Elvish, "upshift.elv"),
];

/// Runs `completion`; no I/O but the output.
pub fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let shell = match args.shells.as_slice() {
        [] => {
            return Err(usage::see(
                context.program,
                "completion",
                "Shell not specified.",
            ));
        }
        [name] => SHELLS.iter().find(|(shell, _)| shell.to_string() == *name),
        _ => {
            let message = "Too many arguments. Expected only the shell type.";
            return Err(usage::see(context.program, "completion", message));
        }
    };
    let Some((shell, _)) = shell else {
        let message = format!("Unsupported shell type {:?}.", args.shells[0]);
        return Err(usage::see(context.program, "completion", message));
    };
    context
        .streams
        .out_bytes(&script(context.program, *shell))?;
    Ok(Exit::Done)
}

/// The script for one shell, under the program's own name.
pub fn script(program: Program, shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = tree::command(program);
    clap_complete::generate(shell, &mut command, program.name(), &mut script);
    script
}
