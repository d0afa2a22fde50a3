//! What registries say of images.

use std::sync::Arc;

use domain::digest::Digest;
use domain::image::ImageRef;
use domain::world::Remote;
use engine::Engine;
use registry::{Registry, RegistryError};

use crate::once::OncePer;

/// What registries say, each asked once about an image in one run.
pub(crate) struct Remotes {
    registry: Arc<Registry>,
    engine: Engine,
    answers: OncePer<ImageRef, Remote>,
}

impl Remotes {
    /// Asks as `engine` would: in clear where it was told to.
    pub(crate) fn new(registry: Arc<Registry>, engine: Engine) -> Self {
        Self { registry, engine, answers: OncePer::default() }
    }

    /// Returns what the registry of `image` says of it. Whoever asks while another one does waits for that answer.
    pub(crate) async fn of(&self, image: &ImageRef) -> Remote {
        let ask = || async {
            match self.ask(image).await {
                Ok(digest) => Remote::Known(digest),
                Err(error) => remote_of(&error),
            }
        };
        self.answers.of(image).get_or_init(ask).await.clone()
    }

    async fn ask(&self, image: &ImageRef) -> Result<Digest, RegistryError> {
        let host = image.repository().registry();
        let answer = self.registry.digest(image).await;
        // A port on which nobody listens with TLS has nobody without it; but without a port, there is another one.
        let may_be_in_clear = match &answer {
            Err(RegistryError::Cleartext { .. }) => true,
            Err(RegistryError::Unreachable { is_refused, .. }) => *is_refused && !host.contains(':'),
            _ => false,
        };
        // An engine that cannot be asked is told of by those who need more of it.
        if may_be_in_clear && self.engine.allows_cleartext(host).await.unwrap_or(false) {
            return self.registry.digest_in_clear(image).await;
        }
        answer
    }
}

/// Turns a registry's failure into what a decision can use.
fn remote_of(error: &RegistryError) -> Remote {
    let reason = match (error, error.advice()) {
        // What to do about it depends on whether there is a copy to fall back to, which is not known here.
        (RegistryError::Denied { .. }, _) | (_, None) => chain(error),
        (_, Some(advice)) => format!("{} ({advice})", chain(error)),
    };
    match error {
        RegistryError::Absent { .. } => Remote::Absent,
        // That the credentials cannot be had is for the user to mend as much as that they are refused.
        RegistryError::Denied { .. } | RegistryError::Credentials(_) => Remote::Denied(reason),
        _ => Remote::Unreachable { reason, temporary: error.is_temporary() },
    }
}

/// Writes an error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use engine::Endpoint;
    use registry::RegistryOptions;

    use super::*;

    #[tokio::test]
    async fn a_registry_is_asked_once_about_an_image() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let guests = Arc::new(AtomicUsize::new(0));
        let counted = guests.clone();
        std::thread::spawn(move || {
            listener.incoming().for_each(|_| {
                counted.fetch_add(1, Ordering::SeqCst);
            })
        });
        let remotes = Remotes::new(
            Arc::new(Registry::new(RegistryOptions::default())),
            Engine::connect(&Endpoint::Unix("/nowhere".into())),
        );
        let image: ImageRef = format!("{address}/a:b").parse().unwrap();
        let (one, two) = tokio::join!(remotes.of(&image), remotes.of(&image));
        let asked = guests.load(Ordering::SeqCst);
        assert!(matches!(one, Remote::Unreachable { .. }) && one == two && asked > 0, "{one:?} {two:?} {asked}");
        assert_eq!((remotes.of(&image).await, guests.load(Ordering::SeqCst)), (one, asked));
    }
}
