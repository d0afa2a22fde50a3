//! Which failure ends the program with which exit code, and what a person can do about it.

use std::io::ErrorKind;

use buildkit::solve::{SolveError, Trouble};
use console::exit::Exit;
use console::failure::Failure;
use domain::plan::PlanError;
use domain::target::TargetError;
use domain::version::FailedAttempt;
use engine::{EngineError, PullFailure};
use home::{DiskError, LoadError, SaveError};

use crate::again::last_lines;
use crate::certificates::CertificateError;
use crate::folders::FolderError;
use crate::select::SelectError;

pub(crate) fn of_load(error: &LoadError) -> Failure {
    let failure = Failure::new(Exit::Definition, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub(crate) fn of_select(error: &SelectError) -> Failure {
    match error {
        SelectError::Load(error) => of_load(error),
        SelectError::Target(error) => of_target(error),
        SelectError::SecretsUnused => Failure::new(Exit::Usage, error),
    }
}

fn of_target(error: &TargetError) -> Failure {
    let failure = Failure::new(Exit::Definition, error);
    match error {
        TargetError::Excluded { .. } | TargetError::DistroExcluded { .. } => failure.hint("choose another --base"),
        TargetError::OnItself { .. } => failure.hint("name the image there that the base is to be made from"),
        TargetError::NotBuiltHere(_) => failure.hint("name an agent to build on it"),
        TargetError::Twice(_) => failure,
        TargetError::PublishedVersion { .. } => {
            failure.hint("leave the version out, or name any image with --base-image to install the agent on it")
        }
        TargetError::Unnamed(_) | TargetError::Name(_) => failure.hint("give the base a name with --base NAME"),
        TargetError::Image(_) => failure.hint("choose a shorter or simpler name with --base NAME"),
        TargetError::ExtendedImage(_) => {
            failure.hint("save the choice under a shorter name with `aicage-builder save NAME`, and build --image NAME")
        }
    }
}

pub(crate) fn of_certificates(error: &CertificateError) -> Failure {
    Failure::new(Exit::Usage, error)
        .hint("--ca-cert takes a PEM or DER file, a folder with .crt, .cer, .pem or .der files, or `system`")
}

pub(crate) fn of_engine(error: &EngineError) -> Failure {
    let exit = match error {
        _ if error.is_temporary() => Exit::TryAgain,
        EngineError::Unsupported { .. } | EngineError::TooLong { .. } => Exit::Usage,
        EngineError::NotPulled { failure: PullFailure::Denied, .. } => Exit::Authentication,
        _ => Exit::Absent,
    };
    let failure = Failure::new(exit, error);
    match error.advice() {
        Some(advice) => failure.hint(advice),
        None => failure,
    }
}

pub(crate) fn of_folder(error: &FolderError) -> Failure {
    Failure::new(Exit::Definition, error)
}

pub(crate) fn of_plan(error: &PlanError) -> Failure {
    match error {
        PlanError::VersionUnknown { attempts, .. } => {
            let failure = attempts
                .iter()
                .fold(Failure::new(Exit::NoVersion, error), |failure, attempt| failure.cause(told(attempt)));
            failure.hint("--agent-version VERSION installs a version without looking for it")
        }
        PlanError::Absent { .. } => {
            Failure::new(Exit::Definition, error).hint("check the spelling, or pick another --base")
        }
        PlanError::Denied { .. } => {
            Failure::new(Exit::Authentication, error).hint("log in with `docker login`, or pick another --base")
        }
        PlanError::Unreachable { temporary, .. } => {
            Failure::new(if *temporary { Exit::TryAgain } else { Exit::Absent }, error)
                .hint("there is no local copy to fall back to; run once with a network, or pick another --base")
        }
        PlanError::NameTaken { .. } => Failure::new(Exit::Definition, error)
            .hint("give this base another name with --base NAME, save the choice under another, or remove that image"),
        PlanError::Architecture { .. } => Failure::new(Exit::Definition, error).hint("choose another --base"),
    }
}

pub(crate) fn of_save(error: &SaveError) -> Failure {
    match error {
        SaveError::Taken { .. } => Failure::new(Exit::Definition, error).hint("--replace writes over it"),
        SaveError::Collision(_) => Failure::new(Exit::Definition, error),
        SaveError::Disk(error) => of_disk(error),
    }
}

fn told(attempt: &FailedAttempt) -> String {
    format!("{}: {}", attempt.venue, attempt.reason.trim())
}

pub(crate) fn of_disk(error: &DiskError) -> Failure {
    // What does not pass by itself is not worth another try.
    let exit = match error.source.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidFilename => Exit::Absent,
        _ => Exit::TryAgain,
    };
    Failure::new(exit, error).hint("check the folder's permissions and the free space, or choose another with --home")
}

pub(crate) fn of_connect(error: &buildkit::ConnectError) -> Failure {
    Failure::new(Exit::Absent, error).hint("the engine's BuildKit is needed; it is part of Docker Engine from 18.09 on")
}

pub(crate) fn of_solve(error: &SolveError) -> Failure {
    match error {
        SolveError::Step { errors, output, .. } => {
            let last_lines = last_lines(errors, output).unwrap_or_else(|| "(the step wrote nothing)".to_owned());
            Failure::new(Exit::StepFailed, error).details(&last_lines)
        }
        SolveError::Engine { trouble: Trouble::Unreachable, .. } => Failure::new(Exit::Absent, error)
            .hint("the engine fetches this by itself: check its network, its proxy and the name"),
        SolveError::Engine { trouble: Trouble::Denied, .. } => {
            Failure::new(Exit::Authentication, error).hint("log in to the base's registry with `docker login`")
        }
        SolveError::Engine { trouble: Trouble::Absent, .. } => {
            Failure::new(Exit::Definition, error).hint("check the spelling, or pick another --base")
        }
        SolveError::Engine { trouble: Trouble::Temporary, .. } => Failure::new(Exit::TryAgain, error)
            .hint("the engine fetches this by itself: try again later; where pulls are counted, `docker login` may allow more"),
        SolveError::Engine { trouble: Trouble::Untrusted, .. } => Failure::new(Exit::Absent, error).hint(
            "the engine fetches this by itself, with its own certificates: put the authority's as ca.crt into /etc/docker/certs.d/HOST:PORT where it runs",
        ),
        SolveError::Engine { trouble: Trouble::Cleartext, .. } => Failure::new(Exit::Absent, error).hint(
            "the engine fetches this by itself: name the registry in insecure-registries of its daemon.json, or give it TLS",
        ),
        SolveError::Engine { trouble: Trouble::Other, .. } => Failure::new(Exit::StepFailed, error),
        SolveError::CacheDamaged(_) => Failure::new(Exit::TryAgain, error).hint("run it again with --no-cache"),
        SolveError::Abandoned(_) | SolveError::ContextChanged(_) | SolveError::Lost(_) => {
            Failure::new(Exit::TryAgain, error).hint("run it again")
        }
        SolveError::Dockerfile { .. } => Failure::new(Exit::Definition, error),
        SolveError::Elsewhere { .. } => Failure::new(Exit::Definition, error).hint(
            "end an extension's Dockerfile with a stage FROM ${BASE_IMAGE}; any other would lose what is beneath",
        ),
        SolveError::NoSecret { .. } => Failure::new(Exit::Usage, error),
        SolveError::Config(_) | SolveError::Graph(_) => Failure::new(Exit::Integrity, error),
    }
}
