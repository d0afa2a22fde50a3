//! `list images`: what there is, and what `plan` would say of it. Nothing is changed.

mod candidates;
mod rows;

use console::exit::Exit;
use console::failure::Failure;
use console::progress::{Event, Mode, Progress};
use console::signals::EndingSignals;
use domain::name::AgentName;
use domain::plan::{Action, PlanError, plan};
use domain::recipe::label;
use domain::target::Target;
use domain::world::RecordFact;
use engine::{Endpoint, Engine, EngineError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use home::Roots;
use jiff::Timestamp;

use crate::answer;
use crate::cli::Listing;
use crate::failures;
use crate::folders::Walks;
use crate::observe::{Doors, look_ahead, observe};
use crate::remotes::chain;
use crate::run::certificates;
use candidates::{Candidate, Sightings, Verdict};
use rows::{Row, State};

/// How many images are looked at at the same time; each look takes some connections to the engine.
const LOOKS_AT_ONCE: usize = 8;

/// Looks at every image and prints what is found.
pub(crate) async fn list(listing: &Listing) -> Result<Exit, Failure> {
    let mut signals = EndingSignals::listen().map_err(|error| Failure::new(Exit::Bug, &error))?;
    let rows = tokio::select! {
        rows = look_at_all(listing) => rows?,
        () = signals.next() => return Err(Failure::of(Exit::Interrupted, "interrupted")),
    };
    answer::print(listing.output, || rows::text(&rows, Timestamp::now()), || rows::json(&rows))?;
    Ok(Exit::Done)
}

async fn look_at_all(listing: &Listing) -> Result<Vec<Row>, Failure> {
    let around = &listing.around;
    let certificates = certificates(around)?;
    let roots = Roots::new(&around.home, around.definitions.as_deref());
    let endpoint = Endpoint::find(around.docker_host.as_deref()).map_err(|error| failures::of_engine(&error))?;
    let labelled =
        Engine::connect(&endpoint).images(label::SCHEMA).await.map_err(|error| failures::of_engine(&error))?;

    // A table is no place for what is wrong with a file that may belong to no row of it.
    let progress = Progress::new(Mode::Plain, &listing.terminal);
    let mut records = Vec::new();
    for fact in home::record::list_records(&around.home) {
        match fact {
            RecordFact::Found(record) => records.push(*record),
            RecordFact::Damaged(because) => {
                progress.show(Event::Note(&format!("note: a record is damaged: {because}")))
            }
            RecordFact::Missing => {}
        }
    }
    let sightings = Sightings::new(labelled, records, &around.repositories);
    let candidates = candidates::gather(&sightings, &roots).map_err(|error| failures::of_load(&error))?;
    let doors = Doors::open(around, certificates.as_deref(), &endpoint, agents(&candidates), false);
    let walks = Walks::default();
    let looks = candidates.into_iter().map(|candidate| look_at(candidate, &walks, &doors));
    let rows = stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect::<Vec<_>>().await;
    rows.map_err(|error| failures::of_engine(&error))
}

/// Returns every agent whose version is wanted, once.
fn agents(candidates: &[Candidate]) -> Vec<AgentName> {
    let targets = candidates.iter().filter_map(|candidate| candidate.target.as_ref().ok());
    let mut agents: Vec<_> = targets.filter_map(Target::installs).map(|agent| agent.name.clone()).collect();
    agents.sort();
    agents.dedup();
    agents
}

async fn look_at(candidate: Candidate, walks: &Walks, doors: &Doors) -> Result<Row, EngineError> {
    let row = |state| Row { seen: candidate.seen.clone(), state };
    let target = match candidate.target {
        Ok(target) => target,
        Err(Verdict::Orphaned(because)) => return Ok(row(State::Orphaned { because })),
        Err(Verdict::Refused(because)) => return Ok(row(State::Refused { because })),
        Err(Verdict::Unreadable(because)) => {
            return Ok(row(State::Kept { notices: Vec::new(), because: Some(because) }));
        }
    };
    let prospect = match look_ahead(&target, walks).await {
        Ok(prospect) => prospect,
        Err(error) => return Ok(row(State::Refused { because: chain(&error) })),
    };
    let world = observe(&target, prospect, doors, None).await?.world;
    let is_there = world.images.last().is_some_and(|image| image.image.is_some());
    let plan = match plan(&target, &world) {
        Ok(plan) => plan,
        Err(error) if is_there || matches!(error, PlanError::NameTaken { .. } | PlanError::Architecture { .. }) => {
            return Ok(row(State::Refused { because: error.to_string() }));
        }
        Err(error) => return Ok(row(State::Missing { because: Some(error.to_string()) })),
    };
    let top = plan.steps.last().expect("a plan has a step for its target");
    Ok(row(match &top.action {
        Action::Build { .. } | Action::Pull { .. } if !is_there => State::Missing { because: None },
        Action::Build { reasons, .. } | Action::Pull { reasons, .. } => {
            State::Stale { reasons: reasons.clone(), notices: plan.notices().cloned().collect() }
        }
        Action::Keep { .. } => {
            let doubts: Vec<_> = plan.doubts(top).cloned().collect();
            if doubts.is_empty() { State::Current } else { State::Kept { notices: doubts, because: None } }
        }
    }))
}
