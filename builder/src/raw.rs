//! BuildKit's own documents, without the secrets in them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use console::masking::{Hidden, Masker};
use serde_json::{Value, json};

/// The texts in a document that may hold anything; all others are digests, times and numbers.
const TEXTS: [(&str, &[&str]); 3] =
    [("vertexes", &["name", "error"]), ("statuses", &["id", "name"]), ("warnings", &["url"])];

/// The texts that are in base64, besides the logs.
const ENCODED: [&str; 2] = ["short", "detail"];

/// Returns BuildKit's document for a warning that belongs to no vertex.
pub(crate) fn warning(text: &str) -> String {
    json!({ "warnings": [{ "vertex": "", "level": 1, "short": STANDARD.encode(text) }] }).to_string()
}

/// Hides secrets in documents, also those that are cut in two by them.
pub(crate) struct RawMasker {
    masker: Masker<String>,
    /// The last entry of each stream, after which what was kept back of it is told.
    last: BTreeMap<String, Value>,
}

impl RawMasker {
    pub(crate) fn new(hidden: Hidden) -> Self {
        Self { masker: Masker::new(hidden), last: BTreeMap::new() }
    }

    /// Returns what can be shown of what was told up to `document`; `None` when that is nothing.
    pub(crate) fn take(&mut self, document: &Value) -> Option<Value> {
        if self.masker.hidden().is_empty() {
            return Some(document.clone());
        }
        let mut document = document.clone();
        for (list, keys) in TEXTS {
            for item in items(&mut document, list) {
                for key in keys {
                    item.get_mut(key).into_iter().for_each(|text| self.mask(text));
                }
            }
        }
        for warning in items(&mut document, "warnings") {
            for key in ENCODED {
                warning.get_mut(key).into_iter().for_each(|text| self.mask_encoded(text));
            }
        }
        let mut logs = Vec::new();
        for log in document["logs"].as_array().into_iter().flatten() {
            let stream = stream(log);
            let shown = self.masker.take(&stream, &decoded(&log["data"]));
            logs.extend(entry(log, &shown));
            self.last.insert(stream, log.clone());
        }
        for vertex in document["vertexes"].as_array().into_iter().flatten() {
            if !vertex["completed"].is_null() {
                logs.extend(self.rest(|log| log["vertex"] == vertex["digest"]));
            }
        }
        document["logs"] = logs.into();
        let told = document.as_object_mut().expect("BuildKit's documents are objects");
        told.retain(|_, list| list.as_array().is_some_and(|list| !list.is_empty()));
        (!told.is_empty()).then_some(document)
    }

    /// Returns what was kept back of every stream; there will be no more of them.
    pub(crate) fn end(&mut self) -> Option<Value> {
        let logs = self.rest(|_| true);
        (!logs.is_empty()).then(|| json!({ "logs": logs }))
    }

    fn rest(&mut self, is_meant: impl Fn(&Value) -> bool) -> Vec<Value> {
        let ended: Vec<_> = self.last.iter().filter(|(_, log)| is_meant(log)).map(|(key, _)| key.clone()).collect();
        let rest = ended.into_iter().filter_map(|stream| {
            let log = self.last.remove(&stream)?;
            entry(&log, &self.masker.end(&stream))
        });
        rest.collect()
    }

    fn mask(&self, text: &mut Value) {
        if let Value::String(text) = text {
            *text = self.masker.hidden().mask(text);
        }
    }

    fn mask_encoded(&self, text: &mut Value) {
        match text {
            Value::String(_) => *text = json!(STANDARD.encode(self.masker.hidden().mask_bytes(&decoded(text)))),
            Value::Array(lines) => lines.iter_mut().for_each(|line| self.mask_encoded(line)),
            _ => {}
        }
    }
}

fn items<'a>(document: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    document.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

fn stream(log: &Value) -> String {
    format!("{} {}", log["vertex"], log["stream"])
}

fn decoded(data: &Value) -> Vec<u8> {
    STANDARD.decode(data.as_str().unwrap_or_default()).unwrap_or_default()
}

/// Returns `log` with other bytes; nothing when there are none.
fn entry(log: &Value, bytes: &[u8]) -> Option<Value> {
    let mut log = log.clone();
    log["data"] = json!(STANDARD.encode(bytes));
    (!bytes.is_empty()).then_some(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret-token";

    fn masker() -> RawMasker {
        RawMasker::new(Hidden::new([SECRET.as_bytes().to_vec()]))
    }

    fn log(vertex: &str, stream: u32, text: &str) -> Value {
        json!({ "logs": [{ "vertex": vertex, "stream": stream, "data": STANDARD.encode(text), "timestamp": "t" }] })
    }

    fn text(documents: &[Option<Value>], vertex: &str) -> String {
        let logs = documents.iter().flatten().flat_map(|document| document["logs"].as_array().into_iter().flatten());
        logs.filter(|log| log["vertex"] == vertex)
            .map(|log| String::from_utf8(decoded(&log["data"])).unwrap())
            .collect()
    }

    #[test]
    fn a_secret_in_two_documents_is_hidden_however_it_is_cut() {
        let words = format!("before {SECRET} after s3c");
        for cut in 0..=words.len() {
            let mut masker = masker();
            let completed = json!({ "vertexes": [{ "digest": "a", "completed": "t" }] });
            let documents = [
                masker.take(&log("a", 1, &words[..cut])),
                masker.take(&log("b", 1, "other")),
                masker.take(&log("a", 1, &words[cut..])),
                masker.take(&completed),
                masker.end(),
            ];
            assert_eq!(text(&documents, "a"), "before *** after s3c", "{cut}");
            assert_eq!(text(&documents, "b"), "other");
        }
    }

    #[test]
    fn what_comes_after_the_end_of_a_step_is_told_at_the_end_of_all() {
        let mut masker = masker();
        masker.take(&json!({ "vertexes": [{ "digest": "a", "completed": "t" }] }));
        assert_eq!(masker.take(&log("a", 1, "s3cret")), None);
        assert_eq!(text(&[masker.end()], "a"), "s3cret");
    }

    #[test]
    fn names_errors_and_warnings_are_masked_and_digests_are_not() {
        let document = json!({
            "vertexes": [{ "digest": SECRET, "name": format!("run {SECRET}"), "error": SECRET }],
            "statuses": [{ "vertex": "a", "id": SECRET, "current": 1 }],
            "warnings": [{ "vertex": "a", "short": STANDARD.encode(SECRET), "detail": [STANDARD.encode(SECRET)] }],
        });
        let masked = STANDARD.encode("***");
        let expected = json!({
            "vertexes": [{ "digest": SECRET, "name": "run ***", "error": "***" }],
            "statuses": [{ "vertex": "a", "id": "***", "current": 1 }],
            "warnings": [{ "vertex": "a", "short": masked, "detail": [masked] }],
        });
        assert_eq!(masker().take(&document), Some(expected));
    }

    #[test]
    fn without_secrets_a_document_stays_as_it_is() {
        let document = json!({ "logs": [{ "vertex": "a", "data": "" }], "vertexes": [] });
        assert_eq!(RawMasker::new(Hidden::default()).take(&document), Some(document));
    }
}
