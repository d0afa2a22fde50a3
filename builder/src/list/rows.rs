//! What is said of each image: a table for people, one document for programs.

use domain::image::ImageRef;
use domain::name::{ExtensionName, ImageName};
use domain::plan::{Notice, Reason};
use domain::recipe::ImageKind;
use domain::remembered::Remembered;
use engine::LocalImageSummary;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::report::{SCHEMA_VERSION, with_text};

/// What was seen of an image.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) image: ImageRef,
    pub(super) kind: ImageKind,
    /// The version of the agent in it.
    pub(super) version: Option<String>,
    /// The name under which it is saved.
    pub(super) saved: Option<ImageName>,
    /// What it was made from.
    pub(super) remembered: Option<Remembered>,
    /// The engine's copy.
    pub(super) local: Option<LocalImageSummary>,
}

impl Seen {
    /// Says that there is nothing but a name.
    pub(super) fn nothing(image: &ImageRef) -> Self {
        let image = image.clone();
        Self { image, kind: ImageKind::Extended, version: None, saved: None, remembered: None, local: None }
    }

    fn created(&self) -> Option<Timestamp> {
        self.local.as_ref().and_then(|local| Timestamp::from_second(local.created).ok())
    }
}

/// How an image stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// There is nothing to do.
    Current,
    /// It would be built anew.
    Stale { reasons: Vec<Reason>, notices: Vec<Notice> },
    /// Something could not be looked at, so it may be stale.
    Kept { notices: Vec<Notice>, because: Option<String> },
    /// The engine does not have it; perhaps something is in the way of making it.
    Missing { because: Option<String> },
    /// What it was made from is gone.
    Orphaned { because: String },
    /// Its definitions are wrong, or a rule excludes it.
    Refused { because: String },
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale { .. } => "stale",
            Self::Kept { .. } => "kept",
            Self::Missing { .. } => "missing",
            Self::Orphaned { .. } => "orphaned",
            Self::Refused { .. } => "refused",
        }
    }

    fn reasons(&self) -> &[Reason] {
        if let Self::Stale { reasons, .. } = self { reasons } else { &[] }
    }

    fn notices(&self) -> &[Notice] {
        match self {
            Self::Stale { notices, .. } | Self::Kept { notices, .. } => notices,
            _ => &[],
        }
    }

    fn because(&self) -> Option<&str> {
        match self {
            Self::Kept { because, .. } | Self::Missing { because } => because.as_deref(),
            Self::Orphaned { because } | Self::Refused { because } => Some(because),
            Self::Current | Self::Stale { .. } => None,
        }
    }

    fn told(&self) -> String {
        let why: Vec<_> = match self {
            Self::Stale { reasons, .. } => reasons.iter().map(ToString::to_string).collect(),
            Self::Kept { notices, because } => {
                notices.iter().map(ToString::to_string).chain(because.iter().cloned()).collect()
            }
            _ => self.because().map(str::to_owned).into_iter().collect(),
        };
        if why.is_empty() { self.word().to_owned() } else { format!("{}: {}", self.word(), why.join("; ")) }
    }
}

/// One image.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) seen: Seen,
    pub(super) state: State,
}

/// Returns the table for people.
pub(super) fn text(rows: &[Row], now: Timestamp) -> String {
    let unknown = || "-".to_owned();
    let heading = ["IMAGE", "KIND", "AGE", "SIZE", "STATE"].map(str::to_owned);
    let row = |row: &Row| {
        [
            row.seen.image.familiar(),
            row.seen.kind.as_str().to_owned(),
            row.seen.created().map(|created| age(created, now)).unwrap_or_else(unknown),
            row.seen.local.as_ref().map(|local| console::answer::bytes(local.size_bytes)).unwrap_or_else(unknown),
            row.state.told(),
        ]
    };
    console::answer::table(std::iter::once(heading).chain(rows.iter().map(row)))
}

/// Writes how long ago something was, in the largest unit of which there is one.
fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    let units = [("day", 86_400), ("hour", 3600), ("minute", 60)];
    match units.into_iter().find(|(_, unit)| seconds >= *unit) {
        Some((word, unit)) => {
            let count = seconds / unit;
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        }
        None => "moments".to_owned(),
    }
}

/// Returns the document for programs.
pub(super) fn json(rows: &[Row]) -> Value {
    let images: Vec<_> = rows.iter().map(json_of).collect();
    json!({ "schemaVersion": SCHEMA_VERSION, "command": "list images", "images": images })
}

fn json_of(row: &Row) -> Value {
    let (seen, state) = (&row.seen, &row.state);
    let remembered = seen.remembered.as_ref();
    let agent = remembered.and_then(|remembered| remembered.agent.as_ref());
    let extensions: Option<&Vec<ExtensionName>> = remembered.map(|remembered| &remembered.extensions);
    json!({
        "image": seen.image.familiar(),
        "kind": seen.kind.as_str(),
        "saved": seen.saved,
        "agent": agent.map(|agent| json!({ "name": agent, "version": seen.version })),
        "base": remembered.map(|remembered| json!({ "name": remembered.base_name })),
        "extensions": extensions,
        "imageId": seen.local.as_ref().map(|local| &local.id),
        "createdAt": seen.created().map(|created| created.to_string()),
        "sizeBytes": seen.local.as_ref().map(|local| local.size_bytes),
        "state": state.word(),
        "reasons": state.reasons().iter().map(with_text).collect::<Vec<_>>(),
        "notices": state.notices().iter().map(with_text).collect::<Vec<_>>(),
        "because": state.because(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::name::ExtensionName;

    use super::*;

    const NOW: &str = "2026-11-21T07:00:00Z";

    fn row(image: &str, created: Option<&str>, state: State) -> Row {
        let created: Option<Timestamp> = created.map(|created| created.parse().unwrap());
        let local = created.map(|created| LocalImageSummary {
            names: vec![image.parse().unwrap()],
            id: "sha256:1".to_owned(),
            size_bytes: 123_456_789,
            created: created.as_second(),
            labels: BTreeMap::new(),
        });
        Row { seen: Seen { local, ..Seen::nothing(&image.parse().unwrap()) }, state }
    }

    fn rows() -> [Row; 4] {
        let file = Reason::FilesChanged { extension: Some(ExtensionName::parse("act").unwrap()) };
        let stale = State::Stale { reasons: vec![file, Reason::RecipeChanged], notices: Vec::new() };
        [
            row("aicage:codex-debian", Some("2026-11-20T07:00:00Z"), State::Current),
            row("aicage-extended:work", Some("2026-11-21T04:00:00Z"), stale),
            row("aicage-extended:new", None, State::Missing { because: None }),
            row("a:old", Some(NOW), State::Orphaned { because: "agent x is not defined".to_owned() }),
        ]
    }

    #[test]
    fn people_get_a_table() {
        insta::assert_snapshot!(text(&rows(), NOW.parse().unwrap()), @"
        IMAGE                 KIND      AGE      SIZE       STATE
        aicage:codex-debian   extended  1 day    123.46 MB  current
        aicage-extended:work  extended  3 hours  123.46 MB  stale: files of extension act changed (no record names them); recipe changed
        aicage-extended:new   extended  -        -          missing
        a:old                 extended  moments  123.46 MB  orphaned: agent x is not defined
        ");
    }

    #[test]
    fn programs_get_a_document() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&json(&rows()[1..2])).unwrap(), @r#"
        {
          "command": "list images",
          "images": [
            {
              "agent": null,
              "base": null,
              "because": null,
              "createdAt": "2026-11-21T04:00:00Z",
              "extensions": null,
              "image": "aicage-extended:work",
              "imageId": "sha256:1",
              "kind": "extended",
              "notices": [],
              "reasons": [
                {
                  "extension": "act",
                  "kind": "files_changed",
                  "text": "files of extension act changed (no record names them)"
                },
                {
                  "kind": "recipe_changed",
                  "text": "recipe changed"
                }
              ],
              "saved": null,
              "sizeBytes": 123456789,
              "state": "stale"
            }
          ],
          "schemaVersion": 1
        }
        "#);
    }
}
