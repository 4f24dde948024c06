//! Which program was called: the last part of `argv[0]` decides.

use std::ffi::OsString;
use std::path::Path;

/// The names that this binary answers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    #[default]
    Upshift,
    /// OpenShift's client: its exit codes, no prompts.
    Oc,
    /// OpenShift v2's gear upgrader.
    OoAdminUpgrade,
}

impl Program {
    /// The program that `argv[0]` names; any other name is `upshift`.
    pub fn named(argument: Option<&OsString>) -> Program {
        let name = argument
            .and_then(|path| Path::new(path).file_stem())
            .and_then(|name| name.to_str());
        match name {
            Some("oc") => Program::Oc,
            Some("oo-admin-upgrade") => Program::OoAdminUpgrade,
            _ => Program::Upshift,
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Program::Upshift => "upshift",
            Program::Oc => "oc",
            Program::OoAdminUpgrade => "oo-admin-upgrade",
        }
    }
}
