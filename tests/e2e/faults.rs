//! What goes wrong, and that nothing is lost by it.

mod install;
mod interrupted;
mod killed;
mod together;

use aicage_tests::Story;
use serde_json::Value;

/// Everything that a failed build must leave as it was.
#[derive(Debug, PartialEq)]
struct State {
    image: Option<Value>,
    previous: Option<String>,
    staging: Option<Value>,
    records: Vec<(std::path::PathBuf, Vec<u8>)>,
}

fn state(story: &Story) -> State {
    let mut records = story.home_files();
    // Logs are for failures too, a lock's file says who has it, and a version is found before anything can fail.
    let is_record = |path: &std::path::Path| {
        let of_versions =
            path.components().any(|part| ["version", "version-check"].iter().any(|name| part.as_os_str() == *name));
        path.extension().is_some_and(|end| end != "log" && end != "lock") && !of_versions
    };
    records.retain(|(path, _)| is_record(path));
    let staging = format!("{}-staging", story.image());
    State {
        image: story.engine.image(&story.image()),
        previous: story.engine.image(&story.previous()).map(|image| image["Id"].to_string()),
        staging: story.engine.image(&staging),
        records,
    }
}
