//! What can end a run without a report, and how a person is told.

use std::io;

use console::answer::AnswerError;
use console::exit::Exit;
use console::failure::Failure;
use home::LoadError;
use home::certificates::Unreadable;

use crate::cli::NoHome;
use crate::environment::NoText;

/// Says why there is no report. A version that was not found is none of these: the report says so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Home(#[from] NoHome),
    #[error(transparent)]
    Environment(#[from] NoText),
    #[error(transparent)]
    Definition(#[from] LoadError),
    #[error(transparent)]
    Certificates(#[from] Unreadable),
    #[error("the look-ups cannot be run")]
    Start(#[source] io::Error),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("interrupted")]
    Interrupted,
}

impl CheckError {
    /// Returns the failure to show, with its exit code.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Home(_) | Self::Environment(_) | Self::Certificates(_) => Failure::new(Exit::Usage, self),
            Self::Definition(error) => {
                error.hint().into_iter().fold(Failure::new(Exit::Definition, self), Failure::hint)
            }
            Self::Start(_) => Failure::new(Exit::Bug, self),
            Self::Answer(_) => Failure::new(Exit::TryAgain, self),
            Self::Interrupted => Failure::new(Exit::Interrupted, self),
        }
    }
}
