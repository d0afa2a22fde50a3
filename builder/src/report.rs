//! What a run answers: one text for people or one JSON document for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::plan::{Action, Build, BuildPlan, Footing, Step};
use domain::recipe::{ImageRecipe, KnownRecipe, Layer};
use domain::record::VersionOrigin;
use domain::target::{Target, TargetImage};
use domain::version::Venue;
use domain::world::World;
use serde::Serialize;
use serde_json::{Value, json};

use crate::execute::{Built, LayerBuilt};

/// The shape of the JSON document; it goes up when a key changes its meaning or goes away.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// What happened, or would happen, to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    /// It is current.
    UpToDate,
    /// It is kept because something could not be looked at or had.
    Kept,
    /// It would be built.
    WouldBuild,
    /// It was built.
    Built,
    /// It would be pulled.
    WouldPull,
    /// It was pulled.
    Pulled,
}

/// The answer of one run.
pub(crate) struct Report<'a> {
    pub(crate) target: &'a Target,
    pub(crate) plan: &'a BuildPlan,
    pub(crate) world: &'a World,
    /// What was built or pulled, by the number of the target's image.
    pub(crate) built: &'a BTreeMap<usize, Built>,
}

impl Report<'_> {
    fn top(&self) -> &Step {
        self.plan.steps.last().expect("a plan has a step for its target")
    }

    fn wanted(&self, step: &Step) -> &TargetImage {
        &self.target.images[step.index]
    }

    fn built(&self, step: &Step) -> Option<&Built> {
        self.built.get(&step.index)
    }

    fn outcome(&self, step: &Step) -> Outcome {
        match (&step.action, self.built(step)) {
            (Action::Build { .. }, Some(_)) => Outcome::Built,
            (Action::Build { .. }, None) => Outcome::WouldBuild,
            (Action::Pull { .. }, Some(_)) => Outcome::Pulled,
            (Action::Pull { .. }, None) => Outcome::WouldPull,
            // Not everything was looked at: an image that may be stale, or stands on one, is not called current.
            (Action::Keep { .. }, _) => {
                let in_doubt = self.plan.doubts(step).next().is_some();
                if in_doubt { Outcome::Kept } else { Outcome::UpToDate }
            }
        }
    }

    /// Returns the answer for people: one paragraph per image, the one that was asked for at the end.
    pub(crate) fn text(&self) -> String {
        self.plan.steps.iter().map(|step| self.text_of(step)).collect()
    }

    fn text_of(&self, step: &Step) -> String {
        let image = self.wanted(step).image.familiar();
        let mut text = match self.outcome(step) {
            Outcome::UpToDate => format!("{image} is up to date\n"),
            Outcome::Kept => format!("{image} is kept as it is\n"),
            Outcome::WouldBuild => format!("{image} would be built\n"),
            Outcome::Built => format!("{image} was built\n"),
            Outcome::WouldPull => format!("{image} would be pulled\n"),
            Outcome::Pulled => format!("{image} was pulled\n"),
        };
        let mut line = |line: String| writeln!(text, "  {line}").expect("writing to a String cannot fail");
        match &step.action {
            Action::Keep { evidence, .. } => evidence.iter().for_each(|fact| line(fact.to_string())),
            Action::Pull { reasons, .. } => reasons.iter().for_each(|reason| line(format!("because: {reason}"))),
            Action::Build { reasons, build } => {
                reasons.iter().for_each(|reason| line(format!("because: {reason}")));
                if self.built(step).is_none() {
                    steps_ahead(build).into_iter().for_each(line);
                }
            }
        }
        let mut line = |line: String| writeln!(text, "  {line}").expect("writing to a String cannot fail");
        if let Some(built) = self.built(step) {
            if let Action::Build { build, .. } = &step.action {
                steps_of(build).filter_map(|(at, _)| built.layers.get(at)).for_each(|layer| line(told(layer)));
            }
            if built.replaced {
                line(format!("the image before it is {}", self.wanted(step).previous().familiar()));
            }
            line(format!("log: {}", built.log.display()));
        }
        text
    }

    /// Returns the answer for programs.
    pub(crate) fn json(&self, command: &str) -> Value {
        let mut document = self.json_of(self.top());
        document["schemaVersion"] = json!(SCHEMA_VERSION);
        document["command"] = json!(command);
        document["notices"] = json!(self.plan.notices().map(with_text).collect::<Vec<_>>());
        document["images"] = self.plan.steps.iter().map(|step| self.json_of(step)).collect();
        document
    }

    /// Returns what the image's own labels say.
    fn known(&self, step: &Step) -> Option<&KnownRecipe> {
        match &self.world.images[step.index].image.as_ref()?.recipe {
            ImageRecipe::Known(known) => Some(known),
            ImageRecipe::None | ImageRecipe::OtherSchema(_) => None,
        }
    }

    /// Returns the agent in an image, with the version that it has or would have.
    fn agent(&self, step: &Step) -> Option<Value> {
        let name = self.wanted(step).agent.as_ref()?;
        let builds = self.plan.steps.iter().filter(|other| other.index <= step.index);
        let build = builds.filter_map(|step| match &step.action {
            Action::Build { build, .. } => Some(build),
            Action::Keep { .. } | Action::Pull { .. } => None,
        });
        let installed =
            build.filter_map(|build| Some((build.ingredients.version()?, build.version_origin))).next_back();
        let (version, origin) = match installed {
            Some((version, origin)) => (Some(version.to_string()), origin),
            None => (self.known(step).map(|known| known.version.clone()).filter(|version| !version.is_empty()), None),
        };
        let found_by: Option<Venue> = match origin {
            Some(VersionOrigin::Found(venue)) => Some(venue),
            Some(VersionOrigin::Chosen) | None => None,
        };
        Some(json!({ "name": name, "version": version, "foundBy": found_by }))
    }

    fn json_of(&self, step: &Step) -> Value {
        let (wanted, built) = (self.wanted(step), self.built(step));
        let (mut reasons, mut evidence, mut described) = (Vec::new(), Vec::new(), None);
        match &step.action {
            Action::Keep { evidence: facts, repair } => {
                evidence = facts.iter().map(with_text).collect();
                described = repair.as_deref();
            }
            Action::Pull { reasons: why, .. } => reasons = why.iter().map(with_text).collect(),
            Action::Build { reasons: why, build } => {
                reasons = why.iter().map(with_text).collect();
                described = Some(build);
            }
        }
        let image = self.world.images[step.index].image.as_ref();
        let found = image.map(|image| image.id.as_str());
        let base = match described.map(|build| &build.footing) {
            Some(Footing::Known(source)) => Some((Some(source.reference.to_string()), Some(source.identity))),
            // Its content is known when it is there, which no plan can say.
            Some(Footing::Below) => Some((Some(self.target.images[step.index - 1].image.to_string()), None)),
            None => self.known(step).map(|known| (None, known.base)),
        };
        let (reference, identity) = base.unwrap_or_default();
        let steps = described.map(|build| {
            let step = |(at, layer): (usize, &Layer)| {
                let after = built.and_then(|built| built.layers.get(at));
                json!({
                    "name": crate::lower::told(&layer.kind),
                    "definition": layer.kind.key(),
                    "unchanged": at < build.unchanged,
                    "ran": after.map(|layer| layer.ran),
                    "addedBytes": after.and_then(|layer| layer.size_bytes),
                })
            };
            steps_of(build).map(step).collect::<Vec<_>>()
        });
        json!({
            "image": wanted.image.familiar(),
            "kind": wanted.kind.as_str(),
            "imageId": built.map(|built| built.image_id.as_str()).or(found),
            "outcome": self.outcome(step),
            "reasons": reasons,
            "evidence": evidence,
            "notices": step.notices.iter().map(with_text).collect::<Vec<_>>(),
            "agent": self.agent(step),
            "base": { "name": wanted.base_name, "image": reference, "identity": identity },
            "steps": steps,
            "previous": built.filter(|built| built.replaced).map(|_| wanted.previous().familiar()),
            "log": built.map(|built| built.log.display().to_string()),
        })
    }
}

/// Returns a value with the words that people read beside it.
pub(crate) fn with_text<T: Serialize + std::fmt::Display>(value: &T) -> Value {
    let mut document = json!(value);
    document["text"] = json!(value.to_string());
    document
}

/// Says which steps would run, and which are as they were.
fn steps_ahead(build: &Build) -> Vec<String> {
    let on = match &build.footing {
        Footing::Known(source) => format!(" on {}", source.reference.familiar()),
        Footing::Below => String::new(),
    };
    let step = |(at, layer): (usize, &Layer)| {
        let name = crate::lower::told(&layer.kind);
        let on = if at == 0 { on.as_str() } else { "" };
        if at < build.unchanged { format!("unchanged: {name}") } else { format!("step: {name}{on}") }
    };
    steps_of(build).map(step).collect()
}

/// Returns the layers for which something is run, with their numbers among all.
fn steps_of(build: &Build) -> impl Iterator<Item = (usize, &Layer)> {
    build.ingredients.layers.iter().enumerate().filter(|(_, layer)| layer.kind.is_step())
}

fn told(layer: &LayerBuilt) -> String {
    let size = layer.size_bytes.map(|bytes| format!(", {}", console::answer::bytes(bytes))).unwrap_or_default();
    let how = if layer.ran { "ran" } else { "cached" };
    format!("step: {} ({how}{size})", layer.name)
}

#[cfg(test)]
mod tests;
