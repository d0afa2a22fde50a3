//! The straight line: request → target → world → plan → build → record → report.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use console::exit::Exit;
use console::failure::Failure;
use console::masking::{Hidden, credentials};
use console::progress::{Event, Mode, Progress};
use console::signals::EndingSignals;
use domain::plan::{Action, BuildPlan, Footing, check_platform, plan};
use domain::target::{Target, TargetImage};
use engine::Endpoint;
use futures_util::future::join_all;
use home::{ImageKey, Lock, Roots};
use jiff::Timestamp;
use serde_json::json;

use crate::answer;
use crate::certificates;
use crate::cli::{CommandLine, Saving, Surroundings, Task};
use crate::execute::{Built, Doing, Job, Means, execute};
use crate::failures;
use crate::folders::Walks;
use crate::lower::Circumstances;
use crate::observe::{self, Doors, Observation, Prospect, observe};
use crate::pull::pull;
use crate::raw;
use crate::records;
use crate::report::{Report, SCHEMA_VERSION};
use crate::select::select;
use crate::switch::{clear, name_again, nameless, sweep};

/// How long the end of an interrupted run waits so that the engine hears of it. It kills the step within some 100 ms of
/// hearing; when it hears nothing it takes up to a second.
const FAREWELL: Duration = Duration::from_millis(100);

/// How often a build that waits for another one looks whether that has ended.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Carries out a command line and prints its answer.
pub(crate) async fn run(command_line: &CommandLine) -> Result<Exit, Failure> {
    let mut signals = EndingSignals::listen().map_err(|error| Failure::new(Exit::Bug, &error))?;
    let progress = Progress::new(command_line.progress, &command_line.terminal);
    let doing = Doing::default();
    let finished = {
        let mut line = pin!(straight_line(command_line, &progress, &doing));
        let stopping = Cell::new(false);
        let mut work = pin!(poll_fn(|context| match line.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            // Of several images, the next one is not begun.
            Poll::Pending if stopping.get() && !doing.switching.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }));
        loop {
            tokio::select! {
                finished = &mut work => break finished,
                () = signals.next() => {}
            }
            // What is nearly done is done in a moment; who asks twice does not want to wait for it.
            if !doing.switching.get() || stopping.replace(true) {
                break None;
            }
            warn("the image is getting its name; interrupt again to stop without waiting for that", &progress);
        }
    };
    let Some(result) = finished else {
        let failure = interrupted(&doing, &progress).await;
        return Err(doing.log.take().into_iter().fold(failure, Failure::log));
    };
    result
}

async fn interrupted(doing: &Doing, progress: &Progress) -> Failure {
    if doing.switching.get() {
        return Failure::of(Exit::Interrupted, "interrupted while the image got its name")
            .hint("run it again: what is missing is completed");
    }
    // The work was dropped; what that sends to the engine is still on its way.
    tokio::time::sleep(FAREWELL).await;
    progress.finish();
    Failure::of(Exit::Interrupted, "interrupted")
        .hint("what was not finished is as it was before: image, name and record")
}

async fn straight_line(command_line: &CommandLine, progress: &Progress, doing: &Doing) -> Result<Exit, Failure> {
    let around = &command_line.around;
    let certificates = certificates(around)?;
    let roots = Roots::new(&around.home, around.definitions.as_deref());
    let target = select(command_line, &roots).map_err(|error| failures::of_select(&error))?;
    let is_building = command_line.task == Task::Build;
    let secrets = match command_line.secrets.0.is_empty() {
        true => Default::default(),
        false => {
            let salt = if is_building { home::salt(&around.home) } else { home::salt_to_look(&around.home) };
            command_line.secrets.digests(&salt.map_err(|error| failures::of_disk(&error))?)
        }
    };

    let endpoint = Endpoint::find(around.docker_host.as_deref()).map_err(|error| failures::of_engine(&error))?;
    let agents = target.installs().map(|agent| agent.name.clone()).into_iter().collect();
    let mut doors = Doors::open(around, certificates.as_deref(), &endpoint, agents, is_building);
    doors.secrets = secrets;

    match command_line.task {
        Task::Plan { exit_code } => {
            let prospect = look_ahead(&target, &doors).await?;
            let observation = observe(&target, prospect, &doors, Some(progress))
                .await
                .map_err(|error| failures::of_engine(&error))?;
            let plan = plan(&target, &observation.world).map_err(|error| failures::of_plan(&error))?;
            show_notices(&plan, progress);
            progress.finish();
            let built = BTreeMap::new();
            let report = Report { target: &target, plan: &plan, world: &observation.world, built: &built };
            answer::print(command_line.output, || report.text(), || report.json("plan"))?;
            Ok(if exit_code && plan.has_work() { Exit::WorkWaiting } else { Exit::Done })
        }
        Task::Build => {
            let means = Means {
                doors: &doors,
                progress,
                circumstances: Circumstances {
                    proxies: command_line.proxies.clone(),
                    created: command_line.source_date_epoch.unwrap_or_else(Timestamp::now).to_string(),
                    no_cache: command_line.options.no_cache,
                    cache_mounts: command_line.options.cache_mounts,
                },
                certificates,
                secrets: &command_line.secrets,
                hidden: hidden(command_line),
                doing,
            };
            build(command_line, &target, &means).await?;
            Ok(Exit::Done)
        }
    }
}

/// Returns what may not be shown: secrets, and the proxies' passwords, which every step can see.
fn hidden(command_line: &CommandLine) -> Hidden {
    let proxies = &command_line.proxies;
    let addresses = [&proxies.http, &proxies.https, &proxies.ftp, &proxies.all];
    let passwords = addresses.into_iter().flat_map(|address| credentials(address));
    Hidden::new(command_line.secrets.texts().into_iter().chain(passwords))
}

/// Loads the certificates that are to be trusted besides the system's.
pub(crate) fn certificates(around: &Surroundings) -> Result<Option<Vec<u8>>, Failure> {
    let load = |choice: &String| certificates::load(choice, around.system_certificates.as_deref());
    around.ca_cert.as_ref().map(load).transpose().map_err(|error| failures::of_certificates(&error))
}

async fn build(command_line: &CommandLine, target: &Target, means: &Means<'_>) -> Result<(), Failure> {
    let doors = means.doors;
    // A mistake in a definition is told before a file is made for it, be it only a lock; so is an engine that is absent.
    let mut prospect = look_ahead(target, doors).await?;
    doors.engine.ping().await.map_err(|error| failures::of_engine(&error))?;
    // Held until the last record is written. Whoever waited looks at the world after that, and so decides again. All
    // builders take them from the bottom up, so that none waits for another in a circle.
    let mut locks = Vec::new();
    let mut has_waited = false;
    for image in &target.images {
        let (lock, after_another) = lock(image, means).await?;
        has_waited |= after_another;
        locks.push(lock);
    }
    if has_waited {
        prospect = look_ahead(target, doors).await?;
    }
    let mut nameless_before = Vec::new();
    if locks.iter().any(Lock::was_abandoned) {
        nameless_before = join_all(target.images.iter().map(|image| nameless(image, &doors.engine))).await;
    }
    let observation =
        observe(target, prospect, doors, Some(means.progress)).await.map_err(|error| failures::of_engine(&error))?;
    let world = &observation.world;
    let plan = plan(target, world).map_err(|error| failures::of_plan(&error))?;
    show_notices(&plan, means.progress);
    let carried_out = carry_out(target, &plan, &observation, means).await;
    if carried_out.is_ok() {
        let left = target.images.iter().zip(&nameless_before);
        join_all(left.map(|(image, before)| sweep(image, before, &doors.engine))).await;
    }
    means.progress.finish();
    let report = Report { target, plan: &plan, world, built: &carried_out? };
    let image = target.images.last().expect("a target has an image").image.familiar();
    answer::print(command_line.output, || report.text(), || report.json("build"))
        .map_err(|failure| failure.hint(format!("{image} is current all the same")))
}

async fn look_ahead(target: &Target, doors: &Doors) -> Result<Prospect, Failure> {
    // What was walked before a wait may have changed since.
    let walks = Walks::default();
    let prospect = observe::look_ahead(target, &walks).await.map_err(|error| failures::of_folder(&error))?;
    if target.base.as_ref().is_some_and(|base| base.metadata.architectures.exclude_any()) {
        let platform = doors.platform().await.map_err(|error| failures::of_engine(&error))?;
        check_platform(target, &platform).map_err(|error| failures::of_plan(&error))?;
    }
    Ok(prospect)
}

/// Does what was decided, image by image from the bottom up.
async fn carry_out(
    target: &Target,
    plan: &BuildPlan,
    observation: &Observation,
    means: &Means<'_>,
) -> Result<BTreeMap<usize, Built>, Failure> {
    let doors = means.doors;
    let mut built: BTreeMap<usize, Built> = BTreeMap::new();
    for step in &plan.steps {
        let wanted = &target.images[step.index];
        match &step.action {
            Action::Build { reasons, build } => {
                let folders = &observation.folders[step.index];
                let job = Job { target, index: step.index, build, reasons, folders };
                built.insert(step.index, execute(&job, means).await?);
            }
            Action::Pull { digest, .. } => {
                built.insert(step.index, pull(wanted, *digest, means).await?);
            }
            Action::Keep { repair, .. } => {
                clear(wanted, &doors.engine).await;
                if let (Some(build), Some(image)) = (repair, &observation.world.images[step.index].image)
                    && let Footing::Known(source) = &build.footing
                {
                    name_again(wanted, &doors.engine).await?;
                    let made = (&**build, &build.recipe(source));
                    records::prepare(target, step.index, made, &image.id, None, &doors.home)
                        .and_then(records::put)
                        .map_err(|error| failures::of_disk(&error))?;
                }
            }
        }
    }
    Ok(built)
}

fn show_notices(plan: &BuildPlan, progress: &Progress) {
    plan.notices().for_each(|notice| warn(&notice.to_string(), progress));
}

/// Tells what people must know, in the way that whoever reads standard error can.
fn warn(what: &str, progress: &Progress) {
    match progress.mode() {
        Mode::RawJson => progress.show(Event::Raw(&raw::warning(what))),
        _ => progress.show(Event::Warning(&format!("note: {what}"))),
    }
}

/// Saves a choice under a name.
pub(crate) fn save(saving: &Saving) -> Result<Exit, Failure> {
    let path = home::store_saved_image(&saving.home, &saving.name, &saving.choice, saving.replace)
        .map_err(|error| failures::of_save(&error))?;
    let name = &saving.name;
    let next = format!("aicage-builder build --image {name}");
    let text = || format!("{name} is saved in {}\n  to build it: {next}\n", path.display());
    let document = || json!({ "schemaVersion": SCHEMA_VERSION, "command": "save", "name": name, "file": path, "buildCommand": next });
    answer::print(saving.output, text, document)
        .map_err(|failure| failure.hint(format!("{name} is saved all the same")))?;
    Ok(Exit::Done)
}

/// Takes the lock of an image and says whether another build had to end first.
async fn lock(wanted: &TargetImage, means: &Means<'_>) -> Result<(Lock, bool), Failure> {
    let path = means.doors.home.lock(&ImageKey::of(&wanted.image));
    for attempt in 0_u64.. {
        if let Some(lock) = Lock::try_acquire(&path).map_err(|error| failures::of_disk(&error))? {
            return Ok((lock, attempt > 0));
        }
        // Who has just taken the lock may not have written its id yet, so that is looked up a moment later.
        if attempt == 1 {
            let holder = home::lock::holder(&path).map(|pid| format!(" (process {pid})")).unwrap_or_default();
            let note = format!("another build of {} is running{holder}; waiting for it", wanted.image.familiar());
            means.progress.show(Event::Note(&note));
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
    unreachable!("a build waits for as long as another one runs")
}
