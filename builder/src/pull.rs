//! Pulling an image that somebody publishes, by the digest that was looked up.

use std::io::Write as _;

use console::exit::Exit;
use console::failure::Failure;
use domain::digest::Digest;
use domain::target::TargetImage;
use engine::{EngineError, PullCredential};
use home::{BuildLog, LogSubject};
use jiff::Timestamp;
use registry::Credential;

use crate::execute::{Built, Means, announce};
use crate::failures;
use crate::switch::switch;

/// Pulls the image that `digest` names and makes it the current one of its name.
pub(crate) async fn pull(wanted: &TargetImage, digest: Digest, means: &Means<'_>) -> Result<Built, Failure> {
    let (doors, pinned) = (means.doors, wanted.image.pinned(digest));
    let mut log = BuildLog::begin(&doors.home, LogSubject::Pull(&wanted.image), Timestamp::now())
        .map_err(|error| failures::of_disk(&error))?;
    let path = log.path().to_owned();
    announce(means, &format!("pulling {} (log: {})", wanted.image.familiar(), path.display()));
    let mut say = |status: &str| drop(writeln!(log, "{}", serde_json::json!({ "status": status, "id": pinned })));
    say("pulling");
    let pulled = async {
        let found = doors.registry.credentials(pinned.repository().registry()).await;
        let found = found.map_err(|error| Failure::new(Exit::Authentication, &error))?;
        let credential = found.map(|found| match found {
            Credential::Password { username, password } => PullCredential::Password { username, password },
            Credential::IdentityToken(token) => PullCredential::IdentityToken(token),
        });
        let failed = |error: EngineError| failures::of_engine(&error);
        doors.engine.pull(&pinned, credential.as_ref()).await.map_err(failed)?;
        let pulled = doors.engine.image(&pinned).await.map_err(failed)?;
        let missing =
            || Failure::of(Exit::Integrity, format!("the engine pulled {} but has it not", pinned.familiar()));
        let pulled = pulled.ok_or_else(missing)?;
        if pulled.pulled_as(pinned.repository()) != Some(digest) {
            let message = format!("the engine pulled {} as something else", pinned.familiar());
            return Err(Failure::of(Exit::Integrity, message));
        }
        means.switching.set(true);
        let replaced = switch(wanted, &pinned.to_string(), &pulled.id, &doors.engine).await?;
        means.switching.set(false);
        Ok((pulled.id, replaced))
    };
    match pulled.await {
        Ok((image_id, replaced)) => {
            say("pulled");
            Ok(Built { image_id, log: path, replaced, layers: Vec::new() })
        }
        Err(failure) => {
            say(&format!("failed: {}", failure.message));
            Err(failure.log(&path))
        }
    }
}
