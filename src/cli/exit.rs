//! How a command ended, and the exit code of that: the table of DESIGN section 6, once.

use crate::cli::program::Program;

/// The outcome of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// What was typed makes no sense.
    Usage,
    /// The object is not there, or there is nothing to go back to.
    NotFound,
    /// Still running on the server when the time was over.
    TimedOut,
    /// Failed, and everything is as it was before.
    RolledBack,
    /// Some of it succeeded.
    Partly,
    /// No answer from the server, or it does not know or allow the caller.
    Unreachable,
    /// Somebody else holds it, or changed it first.
    Locked,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// What the program that was run elsewhere ended with.
    Remote(u8),
}

impl Exit {
    /// The one that a process of ours ended with.
    pub fn of_code(code: u64) -> Option<Exit> {
        const ALL: [Exit; 11] = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::TimedOut,
            Exit::RolledBack,
            Exit::Partly,
            Exit::Unreachable,
            Exit::Locked,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        let is = |exit: &Exit| u64::from(exit.code(Program::Upshift)) == code;
        ALL.into_iter().find(is)
    }

    /// The process's exit code; `oc` knows only success and failure, and signals.
    pub fn code(self, program: Program) -> u8 {
        let code = match self {
            // Any program's, also `oc`'s.
            Exit::Remote(code) => return code,
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::TimedOut => 4,
            Exit::RolledBack => 5,
            Exit::Partly => 6,
            Exit::Unreachable => 7,
            Exit::Locked => 8,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        };
        if program == Program::Oc && (2..=8).contains(&code) {
            1
        } else {
            code
        }
    }
}

/// The table as `--help` prints it.
pub const TABLE: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 not found or nothing to roll back to, 4 timed out and still running,
  5 failed and rolled back, 6 partly failed, 7 unreachable or not authorised, 8 locked or conflict, 130 and 143 signals";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oc_knows_only_one_failure() {
        for (exit, ours, theirs) in [
            (Exit::Done, 0, 0),
            (Exit::Usage, 2, 1),
            (Exit::Locked, 8, 1),
            (Exit::Interrupted, 130, 130),
            (Exit::Remote(3), 3, 3),
        ] {
            assert_eq!(exit.code(Program::Upshift), ours);
            assert_eq!(exit.code(Program::Oc), theirs);
        }
    }
}
