//! The straight line: request → target → world → plan → build → record → report.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::exit::Exit;
use console::failure::Failure;
use console::progress::{Event, Progress};
use domain::name::AgentName;
use domain::plan::{Action, plan};
use domain::target::Target;
use engine::{Endpoint, Engine};
use home::{AgentRoots, Home, ImageKey, Lock};
use jiff::Timestamp;
use registry::{Registry, RegistryOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::certificates;
use crate::cli::{CommandLine, OutputFormat, Task};
use crate::execute::{Built, Means, clear, execute, record};
use crate::failures;
use crate::lower::Circumstances;
use crate::observe::{Doors, observe};
use crate::report::Report;
use crate::versions::Checker;

/// How long the end of an interrupted run waits so that the engine hears of it. It kills the step within some 100 ms of
/// hearing; when it hears nothing it takes up to a second.
const FAREWELL: Duration = Duration::from_millis(100);

/// How often a build that waits for another one looks whether that has ended.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Carries out a command line and prints its answer.
pub(crate) async fn run(command_line: CommandLine) -> Result<Exit, Failure> {
    let bug = |error: std::io::Error| Failure::new(Exit::Bug, &error);
    let mut interrupted = signal(SignalKind::interrupt()).map_err(bug)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(bug)?;
    let progress = Progress::new(command_line.progress, &command_line.terminal);
    let switching = Cell::new(false);
    let finished = {
        let work = straight_line(&command_line, &progress, &switching);
        tokio::pin!(work);
        let mut told = false;
        loop {
            tokio::select! {
                result = &mut work => break Some(result),
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
            // What is nearly done is done in a moment; who asks twice does not want to wait for it.
            if !switching.get() || told {
                break None;
            }
            told = true;
        }
    };
    match finished {
        Some(result) => result,
        None if switching.get() => Err(Failure::of(Exit::Interrupted, "interrupted while the image got its name")
            .hint("run it again: what is missing is completed")),
        None => {
            // The work was dropped; what that sends to the engine is still on its way.
            tokio::time::sleep(FAREWELL).await;
            progress.finish();
            Err(Failure::of(Exit::Interrupted, "interrupted").hint("the image and its record are as they were before"))
        }
    }
}

async fn straight_line(
    command_line: &CommandLine,
    progress: &Progress,
    switching: &Cell<bool>,
) -> Result<Exit, Failure> {
    let certificates = match &command_line.ca_cert {
        Some(choice) => Some(
            certificates::load(choice, command_line.system_certificates.as_deref())
                .map_err(|error| failures::of_certificates(&error))?,
        ),
        None => None,
    };
    let home = Home::new(command_line.home.clone(), command_line.custom_home.clone());
    let roots = AgentRoots::new(&home, command_line.definitions.as_deref());
    let target = select(command_line, &roots, &command_line.request.agent)?;

    let endpoint = Endpoint::find(command_line.docker_host.as_deref()).map_err(|error| failures::of_engine(&error))?;
    let options = RegistryOptions {
        docker_config: command_line.docker_config.clone(),
        extra_roots_pem: certificates.clone().unwrap_or_default(),
        ..RegistryOptions::default()
    };
    let doors = Doors {
        engine: Engine::connect(&endpoint),
        registry: Arc::new(Registry::new(options)),
        checker: Checker {
            definitions: command_line.definitions.clone(),
            home: command_line.home.clone(),
            custom_home: command_line.custom_home.clone(),
            certificates: command_line.ca_cert.clone(),
            began: Instant::now(),
            is_recording: command_line.task == Task::Build,
        },
        home,
    };

    match command_line.task {
        Task::Plan { exit_code } => {
            let observation = observe(&target, &doors).await.map_err(|error| failures::of_observe(&error))?;
            let plan = plan(&target, &observation.world).map_err(|error| failures::of_plan(&error))?;
            plan.notices.iter().for_each(|notice| progress.show(Event::Note(&format!("note: {notice}"))));
            let image_id = observation.world.image.as_ref().map(|image| image.id.as_str());
            answer(command_line, "plan", &Report { target: &target, plan: &plan, built: None, image_id })?;
            Ok(if exit_code && plan.has_work() { Exit::WorkWaiting } else { Exit::Done })
        }
        Task::Build => {
            let Endpoint::Unix(socket) = &endpoint;
            let created = match command_line.source_date_epoch {
                Some(seconds) => Timestamp::from_second(seconds).map_err(|error| Failure::new(Exit::Usage, &error))?,
                None => Timestamp::now(),
            };
            let means = Means {
                doors: &doors,
                endpoint: &buildkit::endpoint::Endpoint::DockerSocket(socket.clone()),
                progress,
                circumstances: Circumstances {
                    proxies: command_line.proxies.clone(),
                    created: created.to_string(),
                    no_cache: command_line.request.no_cache,
                },
                certificates,
                switching,
            };
            build(command_line, &target, &means).await?;
            Ok(Exit::Done)
        }
    }
}

fn select(command_line: &CommandLine, roots: &AgentRoots, agent: &AgentName) -> Result<Target, Failure> {
    let agent = home::load_agent(roots, agent).map_err(|error| failures::of_load(&error))?;
    Target::select(&command_line.request, agent).map_err(|error| failures::of_target(&error))
}

async fn build(command_line: &CommandLine, target: &Target, means: &Means<'_>) -> Result<(), Failure> {
    let doors = means.doors;
    // Held until the last record is written. Whoever waited looks at the world after that, and so decides again.
    let _lock = lock(target, means).await?;
    let observation = observe(target, doors).await.map_err(|error| failures::of_observe(&error))?;
    let world = &observation.world;
    let plan = plan(target, world).map_err(|error| failures::of_plan(&error))?;
    plan.notices.iter().for_each(|notice| means.progress.show(Event::Note(&format!("note: {notice}"))));
    let mut built: Option<Built> = None;
    for step in &plan.steps {
        match &step.action {
            Action::Build { reasons, build } => {
                built = Some(execute(target, build, reasons, observation.context.clone(), means).await?);
            }
            Action::Keep { repair, .. } => {
                clear(target, &doors.engine).await;
                if let (Some(build), Some(image)) = (repair, &world.image) {
                    record(target, build, &image.id, None, doors)?;
                }
            }
        }
    }
    let image_id = world.image.as_ref().map(|image| image.id.as_str());
    answer(command_line, "build", &Report { target, plan: &plan, built: built.as_ref(), image_id })
}

async fn lock(target: &Target, means: &Means<'_>) -> Result<Lock, Failure> {
    let path = means.doors.home.lock(&ImageKey::of(&target.image));
    for attempt in 0_u64.. {
        if let Some(lock) = Lock::try_acquire(&path).map_err(|error| failures::of_disk(&error))? {
            return Ok(lock);
        }
        // Who has just taken the lock may not have written its id yet, so that is looked up a moment later.
        if attempt == 1 {
            let holder = home::lock::holder(&path).map(|pid| format!(" (process {pid})")).unwrap_or_default();
            let note = format!("another build of {} is running{holder}; waiting for it", target.image.familiar());
            means.progress.show(Event::Note(&note));
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
    unreachable!("a build waits for as long as another one runs")
}

fn answer(command_line: &CommandLine, command: &str, report: &Report<'_>) -> Result<(), Failure> {
    let written = match command_line.output {
        OutputFormat::Text => console::answer::print(&report.text()),
        OutputFormat::Json => console::answer::print_json(&report.json(command)),
    };
    written.map_err(|error| Failure::new(Exit::TryAgain, &error))
}
