//! What an earlier run found: taken when it is young enough, told when nothing better is known.

use std::time::Duration;

use domain::definition::{VERSION_FILES, VERSION_SCRIPT};
use domain::digest::{Digest, Framed};
use domain::version::{CachedVersion, VersionFinding};
use home::versions::{FoundVersion, load_found, store_found};
use home::{Home, Lock};
use jiff::Timestamp;

use crate::run::CheckRequest;
use crate::venue::{Means, Subject};

/// How often somebody who waits for another run's answer looks whether it is there.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// How long another run's answer is waited for. Longer than a look may take by itself.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// Returns an earlier answer that is young enough, else looks by `look` and keeps what that finds.
///
/// When earlier answers count, runs at the same time look once: the others wait for the answer of the first.
pub(crate) async fn recent_or<'a, L>(
    subject: &'a Subject,
    request: &'a CheckRequest,
    means: &'a Means,
    look: L,
) -> VersionFinding
where
    L: AsyncFn(&'a Subject, &'a CheckRequest, &'a Means) -> VersionFinding,
{
    let path = request.home.found_version(&subject.agent.name);
    let question = question(subject);
    let last = || load_found(&path).filter(|found| found.question == question);
    let mut _lock = None;
    if !request.max_age.is_zero() {
        _lock = lock(&request.home, subject, means).await;
        if let Some(found) = last()
            && age(&found).is_some_and(|age| age <= request.max_age)
        {
            return VersionFinding {
                agent: subject.agent.name.to_string(),
                version: Some(found.version),
                found_by: Some(found.found_by),
                cached: None,
                checked_at: found.found_at,
                took_millis: 0,
                failed: Vec::new(),
            };
        }
    }
    let mut finding = look(subject, request, means).await;
    match (&finding.version, finding.found_by) {
        (Some(version), Some(found_by)) if request.is_recording => {
            let found_at = finding.checked_at.clone();
            let found = FoundVersion { version: version.clone(), found_by, found_at, question };
            // Only later runs are slower, or know less, when this fails.
            let _ = store_found(&path, &found);
        }
        (None, _) if request.allow_cached => finding.cached = last().and_then(cached),
        _ => {}
    }
    finding
}

async fn lock(home: &Home, subject: &Subject, means: &Means) -> Option<Lock> {
    let path = home.version_lock(&subject.agent.name);
    let mut interrupted = means.interrupted.clone();
    let waiting = async {
        loop {
            match Lock::try_acquire(&path) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) => tokio::time::sleep(LOCK_INTERVAL).await,
                // Where nothing can be locked, looking twice is the worst that can happen.
                Err(_) => return None,
            }
        }
    };
    tokio::select! {
        lock = tokio::time::timeout(LOCK_LIMIT, waiting) => lock.ok().flatten(),
        _ = interrupted.wait_for(|yes| *yes) => None,
    }
}

/// Returns a digest of what the answer depends on besides the world: where the definition is and what it asks.
fn question(subject: &Subject) -> String {
    let folder = &subject.agent.folder;
    let file = |name: &str| {
        let path = folder.join(name);
        // Opening a named pipe waits for its other end.
        let bytes = path.is_file().then(|| std::fs::read(path).ok()).flatten();
        bytes.map(|bytes| Digest::of(&bytes).to_string()).unwrap_or_default()
    };
    let names = VERSION_FILES.into_iter().chain([VERSION_SCRIPT]);
    let framed = Framed::new("version question 1").field(folder.as_os_str().as_encoded_bytes());
    names.fold(framed, |framed, name| framed.field(file(name))).finish().to_string()
}

fn age(found: &FoundVersion) -> Option<Duration> {
    let at: Timestamp = found.found_at.parse().ok()?;
    Duration::try_from(Timestamp::now().duration_since(at)).ok()
}

fn cached(found: FoundVersion) -> Option<CachedVersion> {
    let age_seconds = age(&found)?.as_secs();
    Some(CachedVersion { version: found.version, found_by: found.found_by, found_at: found.found_at, age_seconds })
}
