//! Running one stranger's program in a container that can harm nothing, to its end.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bollard::{Docker, body_full};
use futures_util::StreamExt as _;
use tokio::sync::watch;

use crate::client::{CHANGE_LIMIT, Engine, LOOK_LIMIT};
use crate::error::EngineError;

/// The label on every container of ours; its value is when it must be gone, in seconds since 1970.
const LABEL: &str = "dev.aicage.confined.until";

/// How long after its time a container of ours is taken for one that a killed program left behind.
const LEFTOVER_AGE: Duration = Duration::from_secs(60);

/// The user and group that the program runs as: nobody, by number because an image may not know the name.
const USER: &str = "65534:65534";

/// The only folder that the program can write to; it lies in memory and is gone with the container.
const SCRATCH: &str = "/tmp";

/// How much the scratch folder holds, in bytes.
const SCRATCH_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// How much memory the program has, the scratch folder included, in bytes. Node.js alone needs some 100 MiB.
const MEMORY_LIMIT_BYTES: i64 = 768 * 1024 * 1024;

/// How many processes and threads there may be. npm starts some thirty.
const PROCESS_LIMIT: i64 = 256;

/// How much of the end of the program's messages is kept, in bytes.
const ERRORS_KEPT_BYTES: usize = 8 * 1024;

/// A program to run in a container without capabilities, without a writable file system, within limits.
#[derive(Debug, Clone)]
pub struct Confined {
    /// The image: a reference or an id that the engine has.
    pub image: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables set over those of the image, `KEY=value`.
    pub environment: Vec<String>,
    /// The folder that `files` are put into, which the program cannot change, and in which it starts.
    pub folder: String,
    /// A tar archive of files, readable by everyone.
    pub files: Vec<u8>,
    /// How long the program may run.
    pub time_limit: Duration,
    /// How much it may print, in bytes.
    pub output_limit_bytes: usize,
}

/// How a confined program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfinedEnd {
    /// By itself, with this exit code.
    Exited(i64),
    /// Killed when its time was up.
    TimedOut,
    /// Killed because it printed more than it may.
    TooMuch,
    /// Killed because the caller said so.
    Interrupted,
}

/// A confined program that has ended. Its container is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfinedOutcome {
    /// How it ended.
    pub end: ConfinedEnd,
    /// What it printed, up to its limit.
    pub output: Vec<u8>,
    /// The end of what it wrote to standard error.
    pub errors: Vec<u8>,
    /// Whether something in front of `errors` was dropped.
    pub errors_are_cut: bool,
}

impl Engine {
    /// Runs a program in a new container and removes the container, whatever happens.
    ///
    /// The files are copied to the engine rather than mounted, so the engine may be on another machine, and nothing
    /// that the program does reaches the caller's folder. When this program is killed meanwhile, the engine removes the
    /// container as soon as it ends; one that does not end, or was never started, goes with the next call.
    ///
    /// # Errors
    /// [`EngineError::NoImage`] when the engine lacks the image, any other when the container cannot be made or
    /// started, or the engine goes away.
    pub async fn run_confined(
        &self,
        confined: &Confined,
        mut interrupted: watch::Receiver<bool>,
    ) -> Result<ConfinedOutcome, EngineError> {
        let docker = self.client()?;
        self.remove_leftovers(&docker).await;
        let create = docker.create_container(None, body(confined));
        let made = match self.call("create container", CHANGE_LIMIT, create).await {
            Err(EngineError::Refused { status: 404, .. }) => {
                return Err(EngineError::NoImage { image: confined.image.clone() });
            }
            made => made?,
        };
        let running = self.run_in(&docker, &made.id, confined);
        let outcome = tokio::select! {
            outcome = running => outcome,
            _ = interrupted.wait_for(|is_interrupted| *is_interrupted) => {
                Ok(ConfinedOutcome { end: ConfinedEnd::Interrupted, output: Vec::new(), errors: Vec::new(), errors_are_cut: false })
            }
        };
        // It removes itself after an end of its own; this ends what runs, and removes what never ran.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed =
            self.call("remove container", CHANGE_LIMIT, docker.remove_container(&made.id, Some(options))).await;
        match removed {
            // It is gone already, or on its way.
            Ok(()) | Err(EngineError::Refused { status: 404 | 409, .. }) => outcome,
            Err(error) => outcome.and(Err(error)),
        }
    }

    async fn run_in(&self, docker: &Docker, id: &str, confined: &Confined) -> Result<ConfinedOutcome, EngineError> {
        let upload = UploadToContainerOptionsBuilder::new().path(&confined.folder).build();
        let upload = docker.upload_to_container(id, Some(upload), body_full(confined.files.clone().into()));
        self.call("copy files into container", CHANGE_LIMIT, upload).await?;
        let attach = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
        let attached = self.call("attach to container", LOOK_LIMIT, docker.attach_container(id, Some(attach))).await?;
        // Asked before the start: the engine forgets the container, and its exit code, as soon as it has ended.
        let exit = WaitContainerOptionsBuilder::new().condition("next-exit").build();
        let mut exit = Box::pin(docker.wait_container(id, Some(exit)));
        let started = async {
            tokio::task::yield_now().await;
            self.call("start container", CHANGE_LIMIT, docker.start_container(id, None)).await
        };
        let mut early = None;
        tokio::pin!(started);
        loop {
            tokio::select! {
                biased;
                ended = exit.next(), if early.is_none() => early = Some(ended),
                result = &mut started => {
                    result?;
                    break;
                }
            }
        }
        let mut output = Vec::new();
        let mut errors = Vec::new();
        let mut errors_are_cut = false;
        let mut stream = attached.output;
        let talk = async {
            while let Some(piece) = stream.next().await {
                match piece {
                    Ok(LogOutput::StdOut { message }) => output.extend_from_slice(&message),
                    Ok(LogOutput::StdErr { message }) => {
                        errors.extend_from_slice(&message);
                        let surplus = errors.len().saturating_sub(ERRORS_KEPT_BYTES);
                        errors_are_cut |= surplus > 0;
                        errors.drain(..surplus);
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
                if output.len() > confined.output_limit_bytes {
                    output.truncate(confined.output_limit_bytes);
                    return ConfinedEnd::TooMuch;
                }
            }
            let ended = match early {
                Some(ended) => ended,
                None => exit.next().await,
            };
            match ended {
                Some(Ok(ended)) => ConfinedEnd::Exited(ended.status_code),
                Some(Err(BollardError::DockerContainerWaitError { code, .. })) => ConfinedEnd::Exited(code),
                // The engine ended the stream without a code; nobody may take that for success.
                Some(Err(_)) | None => ConfinedEnd::Exited(UNKNOWN_EXIT_CODE),
            }
        };
        let end = tokio::time::timeout(confined.time_limit, talk).await.unwrap_or(ConfinedEnd::TimedOut);
        Ok(ConfinedOutcome { end, output, errors, errors_are_cut })
    }

    /// Removes containers of ours whose time is long over.
    async fn remove_leftovers(&self, docker: &Docker) {
        let filters = HashMap::from([("label".to_owned(), vec![LABEL.to_owned()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.call("list containers", LOOK_LIMIT, docker.list_containers(Some(options))).await;
        // What cannot be cleared now is cleared by a later call.
        for container in listed.unwrap_or_default() {
            let until = container.labels.as_ref().and_then(|labels| labels.get(LABEL)?.parse().ok());
            let is_over = until.is_none_or(|until: u64| until + LEFTOVER_AGE.as_secs() < now());
            if let Some(id) = container.id.filter(|_| is_over) {
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                let _ = self.call("remove container", CHANGE_LIMIT, docker.remove_container(&id, Some(options))).await;
            }
        }
    }
}

/// What stands for the exit code that the engine did not give.
const UNKNOWN_EXIT_CODE: i64 = -1;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn body(confined: &Confined) -> ContainerCreateBody {
    let volume = Mount { target: Some(confined.folder.clone()), typ: Some(MountType::VOLUME), ..Mount::default() };
    let scratch = format!("rw,nosuid,nodev,mode=1777,size={SCRATCH_LIMIT_BYTES}");
    let host = HostConfig {
        auto_remove: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([(SCRATCH.to_owned(), scratch)])),
        mounts: Some(vec![volume]),
        memory: Some(MEMORY_LIMIT_BYTES),
        memory_swap: Some(MEMORY_LIMIT_BYTES),
        pids_limit: Some(PROCESS_LIMIT),
        // What it prints comes over the wire; the engine must not keep a flood on its disk.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    };
    let mut environment = vec![format!("HOME={SCRATCH}")];
    environment.extend(confined.environment.iter().cloned());
    let until = (now() + confined.time_limit.as_secs()).to_string();
    ContainerCreateBody {
        image: Some(confined.image.clone()),
        user: Some(USER.to_owned()),
        env: Some(environment),
        entrypoint: Some(Vec::new()),
        cmd: Some(confined.command.clone()),
        working_dir: Some(confined.folder.clone()),
        labels: Some(HashMap::from([(LABEL.to_owned(), until)])),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}
