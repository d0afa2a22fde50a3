//! Pulling an image that somebody publishes, by the digest that was looked up.

use std::collections::BTreeMap;
use std::io::Write as _;

use console::exit::Exit;
use console::failure::Failure;
use console::progress::{Event as Shown, Progress};
use domain::digest::Digest;
use domain::target::TargetImage;
use engine::{EngineError, PullEvent};
use home::{BuildLog, LogSubject};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::execute::{Built, Means, announce};
use crate::failures;
use crate::logins::Logins;
use crate::switch::switch;

/// How engines call the time in which a layer's bytes come.
const DOWNLOADING: &str = "Downloading";

/// How they call its end.
const DOWNLOADED: &str = "Download complete";

/// Pulls the image that `digest` names and makes it the current one of its name.
pub(crate) async fn pull(wanted: &TargetImage, digest: Digest, means: &Means<'_>) -> Result<Built, Failure> {
    let (doors, pinned) = (means.doors, wanted.image.pinned(digest));
    let mut log = BuildLog::begin(&doors.home, LogSubject::Pull(&wanted.image), Timestamp::now())
        .map_err(|error| failures::of_disk(&error))?;
    let path = log.path().to_owned();
    announce(means, &format!("pulling {} (log: {})", wanted.image.familiar(), path.display()));
    let name = wanted.image.familiar();
    let mut watcher = Watcher::new(means.progress, &mut log, &name);
    watcher.write(&json!({ "status": "pulling", "id": pinned }));
    watcher.log.cut_short_with(json!({ "status": "interrupted", "id": pinned }).to_string());
    means.doing.log.replace(Some(path.clone()));
    let pulled = async {
        let logins = Logins::new(doors.registry.clone());
        let credential = logins.of(pinned.repository().registry()).await;
        let failed = |error: EngineError| logins.explain(failures::of_engine(&error));
        let pulling = doors.engine.pull(&pinned, credential.as_ref(), |event| watcher.see(&event));
        pulling.await.map_err(failed)?;
        // Asked at once: with containerd's store, each answer takes an engine some ten milliseconds.
        let (pulled, current) =
            tokio::try_join!(doors.engine.image(&pinned), doors.engine.image(&wanted.image)).map_err(failed)?;
        let missing =
            || Failure::of(Exit::Integrity, format!("the engine pulled {} but has it not", pinned.familiar()));
        let pulled = pulled.ok_or_else(missing)?;
        if pulled.pulled_as(pinned.repository()) != Some(digest) {
            let message = format!("the engine pulled {} as something else", pinned.familiar());
            return Err(Failure::of(Exit::Integrity, message));
        }
        means.doing.switching.set(true);
        let replaced = switch(wanted, &pulled.id, current, &doors.engine).await?;
        means.doing.switching.set(false);
        Ok((pulled.id, replaced))
    };
    let came = match pulled.await {
        Ok((image_id, replaced)) => {
            watcher.write(&json!({ "status": "pulled", "id": pinned }));
            means.progress.show(Shown::StepDone { id: &name });
            Ok(Built { image_id, log: path, replaced, layers: Vec::new() })
        }
        Err(failure) => {
            watcher.write(&json!({ "status": format!("failed: {}", failure.message), "id": pinned }));
            means.progress.show(Shown::StepFailed { id: &name, message: &failure.message });
            Err(failure.log(&path))
        }
    };
    log.end();
    means.doing.log.take();
    came
}

/// Tells of a pull: each turn that a layer takes in the log, one event a line as Docker writes them, and to people.
struct Watcher<'a> {
    progress: &'a Progress,
    log: &'a mut BuildLog,
    step: &'a str,
    /// What was last said of each layer.
    said: BTreeMap<String, String>,
    /// How large each layer is that is downloaded.
    totals: BTreeMap<String, u64>,
}

impl<'a> Watcher<'a> {
    fn new(progress: &'a Progress, log: &'a mut BuildLog, step: &'a str) -> Self {
        progress.show(Shown::StepStarted { id: step, name: &format!("pull {step}") });
        Self { progress, log, step, said: BTreeMap::new(), totals: BTreeMap::new() }
    }

    fn see(&mut self, event: &PullEvent) {
        let what = event.id.clone().unwrap_or_default();
        let is_download = event.status == DOWNLOADING;
        if let (true, Some(current), Some(total)) = (is_download, event.current, event.total) {
            self.totals.insert(what.clone(), total);
            self.moved(&what, current, total);
        }
        if self.said.get(&what) == Some(&event.status) {
            return;
        }
        self.said.insert(what.clone(), event.status.clone());
        let mut line = json!({ "status": event.status });
        if let Some(id) = &event.id {
            line["id"] = json!(id);
        }
        if let Some(total) = event.total {
            line["progressDetail"] = json!({ "current": event.current, "total": total });
        }
        self.write(&line);
        if is_download {
            return;
        }
        // The last amount that is told may be some way before the end.
        if let (DOWNLOADED, Some(total)) = (event.status.as_str(), self.totals.get(&what).copied()) {
            self.moved(&what, total, total);
            return;
        }
        let line = if what.is_empty() { format!("{}\n", event.status) } else { format!("{what}: {}\n", event.status) };
        self.progress.show(Shown::StepLog { id: self.step, bytes: line.as_bytes() });
    }

    fn moved(&self, what: &str, current: u64, total: u64) {
        self.progress.show(Shown::StepProgress { id: self.step, what, current, total: Some(total) });
    }

    // A log that cannot be written to must not end a pull that goes well.
    fn write(&mut self, line: &Value) {
        let _ = writeln!(self.log, "{line}");
    }
}
