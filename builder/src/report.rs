//! What a run answers: one text for people or one JSON document for programs.

use std::fmt::Write as _;

use domain::plan::{Action, BuildPlan, Evidence, Notice, Reason, Step};
use domain::record::VersionOrigin;
use domain::target::Target;
use domain::version::Venue;
use serde::Serialize;
use serde_json::{Value, json};

use crate::execute::Built;

/// The shape of the JSON document; it goes up when a key changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

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
}

/// The answer of one run.
pub(crate) struct Report<'a> {
    pub(crate) target: &'a Target,
    pub(crate) plan: &'a BuildPlan,
    pub(crate) built: Option<&'a Built>,
    /// The id of the image as it was found.
    pub(crate) image_id: Option<&'a str>,
}

impl Report<'_> {
    fn step(&self) -> &Step {
        self.plan.steps.last().expect("a plan has a step for its target")
    }

    fn outcome(&self) -> Outcome {
        match &self.step().action {
            Action::Build { .. } if self.built.is_some() => Outcome::Built,
            Action::Build { .. } => Outcome::WouldBuild,
            // Not everything was looked at: an image that may be stale is not called current.
            Action::Keep { .. } if self.plan.notices.iter().any(Notice::leaves_doubt) => Outcome::Kept,
            Action::Keep { .. } => Outcome::UpToDate,
        }
    }

    /// Returns the answer for people.
    pub(crate) fn text(&self) -> String {
        let image = self.target.image.familiar();
        let mut text = match self.outcome() {
            Outcome::UpToDate => format!("{image} is up to date\n"),
            Outcome::Kept => format!("{image} is kept as it is\n"),
            Outcome::WouldBuild => format!("{image} would be built\n"),
            Outcome::Built => format!("{image} was built\n"),
        };
        let mut line = |line: String| writeln!(text, "  {line}").expect("writing to a String cannot fail");
        match &self.step().action {
            Action::Keep { evidence, .. } => evidence.iter().for_each(|fact| line(fact.to_string())),
            Action::Build { reasons, build } => {
                reasons.iter().for_each(|reason| line(format!("because: {reason}")));
                if self.built.is_none() {
                    line(format!(
                        "step: install {} {} on {}",
                        build.recipe.agent,
                        build.recipe.version,
                        build.base.reference.familiar()
                    ));
                }
            }
        }
        if let Some(built) = self.built {
            if built.replaced {
                line(format!("the image before it is {}", self.target.previous.familiar()));
            }
            line(format!("log: {}", built.log.display()));
        }
        text
    }

    /// Returns the answer for programs.
    pub(crate) fn json(&self, command: &str) -> Value {
        let told = |value: Value, text: String| {
            let mut value = value;
            value["text"] = json!(text);
            value
        };
        let notices: Vec<_> = self.plan.notices.iter().map(|notice| told(json!(notice), notice.to_string())).collect();
        let (mut reasons, mut evidence, mut agent, mut base) = (Vec::new(), Vec::new(), Value::Null, Value::Null);
        let mut describe = |build: &domain::plan::Build| {
            let found_by: Option<Venue> = match build.version_origin {
                VersionOrigin::Found(venue) => Some(venue),
                VersionOrigin::Chosen => None,
            };
            agent = json!({ "name": build.recipe.agent, "version": build.recipe.version, "foundBy": found_by });
            base =
                json!({ "name": build.recipe.base_name, "image": build.base.reference, "identity": build.recipe.base });
        };
        match &self.step().action {
            Action::Keep { evidence: facts, repair } => {
                evidence = facts.iter().map(|fact: &Evidence| told(json!(fact), fact.to_string())).collect();
                repair.iter().for_each(|build| describe(build));
            }
            Action::Build { reasons: why, build } => {
                reasons = why.iter().map(|reason: &Reason| told(json!(reason), reason.to_string())).collect();
                describe(build);
            }
        }
        let image_id = self.built.map(|built| built.image_id.as_str()).or(self.image_id);
        json!({
            "schemaVersion": SCHEMA_VERSION,
            "command": command,
            "image": self.target.image.familiar(),
            "imageId": image_id,
            "outcome": self.outcome(),
            "reasons": reasons,
            "evidence": evidence,
            "notices": notices,
            "agent": agent,
            "base": base,
            "previous": self.built.filter(|built| built.replaced).map(|_| self.target.previous.familiar()),
            "log": self.built.map(|built| built.log.display().to_string()),
        })
    }
}
