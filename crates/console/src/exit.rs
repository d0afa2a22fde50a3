//! The exit codes, a published interface.

use std::process::ExitCode;

/// How a run ended, as the code that the process exits with.
///
/// Never 125 to 127 nor another code from 128 on: those belong to docker, to shells and to signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or there was nothing to do.
    Done = 0,
    /// A mistake in this program.
    Bug = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// A definition, or what was selected from the definitions, is wrong.
    Definition = 3,
    /// A plan has work in it; only where the caller asked to be told so.
    WorkWaiting = 4,
    /// A step ran and failed.
    StepFailed = 5,
    /// No version was found.
    NoVersion = 6,
    /// Credentials are missing or were refused.
    Authentication = 7,
    /// Content is not what its digest or signature says.
    Integrity = 8,
    /// Something outside that is needed is not there; `EX_UNAVAILABLE` of `sysexits.h`.
    Absent = 69,
    /// A failure that is likely to pass; `EX_TEMPFAIL` of `sysexits.h`.
    TryAgain = 75,
    /// The user stopped it: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl Exit {
    /// Every way to end, by rising code.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Bug,
        Self::Usage,
        Self::Definition,
        Self::WorkWaiting,
        Self::StepFailed,
        Self::NoVersion,
        Self::Authentication,
        Self::Integrity,
        Self::Absent,
        Self::TryAgain,
        Self::Interrupted,
    ];

    /// Returns the code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the name by which documents for programs call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Bug => "bug",
            Self::Usage => "usage",
            Self::Definition => "definition",
            Self::WorkWaiting => "workWaiting",
            Self::StepFailed => "stepFailed",
            Self::NoVersion => "noVersion",
            Self::Authentication => "authentication",
            Self::Integrity => "integrity",
            Self::Absent => "absent",
            Self::TryAgain => "tryAgain",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns one sentence for people, without a full stop.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Bug => "a mistake in this program; please report it",
            Self::Usage => "the command line cannot be understood",
            Self::Definition => "a definition, or the selection made from them, is wrong",
            Self::WorkWaiting => "there is work to do (only with --exit-code)",
            Self::StepFailed => "a build step failed",
            Self::NoVersion => "no version was found",
            Self::Authentication => "credentials are missing or were refused",
            Self::Integrity => "content is not what its digest or signature says",
            Self::Absent => "the engine, a registry, something in it or a folder to write to is absent",
            Self::TryAgain => "a failure that is likely to pass; trying again is worth it",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the table of all codes, for `--help`.
    pub fn help() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.description()));
        format!("Exit codes:\n{}", rows.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_were_published() {
        insta::assert_snapshot!(Exit::help(), @"
        Exit codes:
            0  done, or nothing to do
            1  a mistake in this program; please report it
            2  the command line cannot be understood
            3  a definition, or the selection made from them, is wrong
            4  there is work to do (only with --exit-code)
            5  a build step failed
            6  no version was found
            7  credentials are missing or were refused
            8  content is not what its digest or signature says
           69  the engine, a registry, something in it or a folder to write to is absent
           75  a failure that is likely to pass; trying again is worth it
          130  interrupted
        ");
    }

    #[test]
    fn no_code_belongs_to_somebody_else() {
        for exit in Exit::ALL {
            assert!(exit.code() < 125 || exit == Exit::Interrupted, "{exit:?}");
        }
        assert!(Exit::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    }
}
