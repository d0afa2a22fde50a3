//! BuildKit's own JSON of progress messages: what `docker buildx build --progress=rawjson` prints.
//!
//! Source: the JSON tags of `client.SolveStatus` and its parts in BuildKit's `client/graph.go`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use serde_json::{Map, Value, json};

/// Returns one message as one document.
pub(crate) fn document(message: &StatusResponse) -> Value {
    let vertexes = message.vertexes.iter().map(|vertex| {
        compact(json!({
            "digest": vertex.digest,
            "inputs": vertex.inputs,
            "name": vertex.name,
            "started": time(vertex.started.as_ref()),
            "completed": time(vertex.completed.as_ref()),
            "cached": vertex.cached,
            "error": vertex.error,
        }))
    });
    let statuses = message.statuses.iter().map(|status| {
        let mut document = compact(json!({
            "vertex": status.vertex,
            "name": status.name,
            "total": status.total,
            "timestamp": time(status.timestamp.as_ref()),
            "started": time(status.started.as_ref()),
            "completed": time(status.completed.as_ref()),
        }));
        document["id"] = json!(status.id);
        document["current"] = json!(status.current);
        document
    });
    let logs = message.logs.iter().map(|log| {
        let mut document = compact(json!({ "vertex": log.vertex, "stream": log.stream }));
        document["data"] = json!(STANDARD.encode(&log.msg));
        document["timestamp"] = time(log.timestamp.as_ref());
        document
    });
    let warnings = message.warnings.iter().map(|warning| {
        let detail: Vec<_> = warning.detail.iter().map(|detail| STANDARD.encode(detail)).collect();
        compact(json!({
            "vertex": warning.vertex,
            "level": warning.level,
            "short": STANDARD.encode(&warning.short),
            "detail": detail,
            "url": warning.url,
        }))
    });
    compact(json!({
        "vertexes": vertexes.collect::<Vec<_>>(),
        "statuses": statuses.collect::<Vec<_>>(),
        "logs": logs.collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
    }))
}

/// Leaves out what Go's `omitempty` leaves out.
fn compact(value: Value) -> Value {
    let Value::Object(object) = value else {
        return value;
    };
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    };
    Value::Object(object.into_iter().filter(|(_, value)| !empty(value)).collect::<Map<_, _>>())
}

fn time(time: Option<&Timestamp>) -> Value {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
        .map_or(Value::Null, |time| json!(time.to_string()))
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::moby::buildkit::v1::{Vertex, VertexLog};

    use super::*;

    #[test]
    fn a_document_has_the_keys_of_the_go_client() {
        let started = Some(Timestamp { seconds: 1_700_000_000, nanos: 500_000_000 });
        let message = StatusResponse {
            vertexes: vec![Vertex {
                digest: "sha256:1".to_owned(),
                name: "a".to_owned(),
                started,
                ..Vertex::default()
            }],
            logs: vec![VertexLog {
                vertex: "sha256:1".to_owned(),
                stream: 1,
                msg: b"x\n".to_vec(),
                timestamp: started,
            }],
            ..StatusResponse::default()
        };
        insta::assert_snapshot!(document(&message), @r#"{"logs":[{"data":"eAo=","stream":1,"timestamp":"2023-11-14T22:13:20.5Z","vertex":"sha256:1"}],"vertexes":[{"digest":"sha256:1","name":"a","started":"2023-11-14T22:13:20.5Z"}]}"#);
    }
}
