//! Documents and texts at an address of the definition's choice, asked for without credentials.

use std::time::Duration;

use serde_json::Value;

use super::error::SourceError;
use super::request::Request;
use super::transport::{Transport, plain};

/// Returns the value at a JSON pointer, if it is a text or a number.
pub(super) async fn json_value(
    url: &str,
    pointer: &str,
    transport: &Transport,
    limit: Duration,
) -> Result<String, SourceError> {
    let request = Request::new(url.to_owned(), "application/json");
    let document: Value = transport.get(&request, limit).await?.json(&request)?;
    let address = plain(url);
    match document.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(SourceError::Nothing { address, reason: format!("{pointer} is neither a text nor a number") }),
        None => Err(SourceError::Nothing { address, reason: format!("there is no {pointer}") }),
    }
}

/// Returns a text whole.
pub(super) async fn text(url: &str, transport: &Transport, limit: Duration) -> Result<String, SourceError> {
    let answer = transport.get(&Request::new(url.to_owned(), "text/plain, */*;q=0.1"), limit).await?;
    String::from_utf8(answer.body.to_vec())
        .map_err(|_| SourceError::Answer { address: plain(url), reason: "it is not UTF-8 text".to_owned() })
}
