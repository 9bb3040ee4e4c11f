//! The body of `/execute`, and what FastAPI says of one that is none.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::refusal::{Fault, Refusal};
use crate::body::{BodyError, read_body};

/// Longest JSON body, in bytes: no system takes longer arguments by default.
const MAX_JSON_BYTES: usize = 1024 * 1024;

/// What `/execute` is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Execute {
    pub(super) command: String,
    pub(super) timeout: Option<Duration>,
}

impl Execute {
    /// Reads a request's body.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let body = read_body(body, MAX_JSON_BYTES).await?;
        Self::parse(&document(headers, &body)?)
    }

    fn parse(document: &Value) -> Result<Self, Refusal> {
        let Value::Object(fields) = document else {
            let text = "Input should be a valid dictionary or object to extract fields from";
            return Err(Fault::new("model_attributes_type", &[], text, document).into());
        };
        let mut faults = Vec::new();
        let command = match fields.get("command") {
            Some(Value::String(command)) => Some(command.clone()),
            found => {
                faults.push(no_command(found, document));
                None
            }
        };
        let timeout = seconds(fields.get("timeout_seconds").unwrap_or(&Value::Null))
            .map_err(|fault| faults.push(fault));
        match (command, timeout) {
            (Some(command), Ok(timeout)) => Ok(Self { command, timeout }),
            _ => Err(Refusal::Unprocessable(faults)),
        }
    }
}

fn no_command(found: Option<&Value>, document: &Value) -> Fault {
    let at = [json!("command")];
    match found {
        Some(other) => Fault::new("string_type", &at, "Input should be a valid string", other),
        None => Fault::new("missing", &at, "Field required", document),
    }
}

const UNREADABLE: Refusal = Refusal::Status(
    StatusCode::BAD_REQUEST,
    "There was an error parsing the body",
);

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLong(_) => {
                Self::Status(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large")
            }
            BodyError::TooSlow(_) => Self::idle(),
            BodyError::Broken(_) => UNREADABLE,
        }
    }
}

/// The body as JSON; of another content type it is one string.
fn document(headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Err(Fault::new("missing", &[], "Field required", &Value::Null).into());
    }
    let text = std::str::from_utf8(body).map_err(|_| UNREADABLE)?;
    if !is_json(headers) {
        return Ok(Value::String(text.to_owned()));
    }
    serde_json::from_str(text).map_err(|error| {
        let at = [json!(offset(text, &error))];
        Fault::new("json_invalid", &at, "JSON decode error", &json!({}))
            .with(json!({ "error": error.to_string() }))
            .into()
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    kind.trim().split_once('/').is_some_and(|(kind, sub)| {
        kind.eq_ignore_ascii_case("application")
            && (sub.eq_ignore_ascii_case("json") || sub.ends_with("+json"))
    })
}

/// How many characters come before the error.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let mut lines = text.split_inclusive('\n');
    let above = error.line().saturating_sub(1);
    let before: usize = lines
        .by_ref()
        .take(above)
        .map(|line| line.chars().count())
        .sum();
    let bytes = error.column().saturating_sub(1);
    let line = lines.next().unwrap_or_default();
    before
        + line
            .char_indices()
            .take_while(|(at, _)| *at < bytes)
            .count()
}

/// A time limit as pydantic takes one: a number, a boolean or a number as
/// text, finite and positive. `None` for null, and for what is longer than
/// any limit.
fn seconds(value: &Value) -> Result<Option<Duration>, Fault> {
    let at = [json!("timeout_seconds")];
    let fault = |kind, text| Fault::new(kind, &at, text, value);
    let number = match value {
        Value::Null => return Ok(None),
        Value::Bool(yes) => f64::from(u8::from(*yes)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => text.trim().parse().map_err(|_| {
            let text = "Input should be a valid number, unable to parse string as a number";
            fault("float_parsing", text)
        })?,
        _ => return Err(fault("float_type", "Input should be a valid number")),
    };
    if !number.is_finite() {
        return Err(fault("finite_number", "Input should be a finite number"));
    }
    if number <= 0.0 {
        let fault = fault("greater_than", "Input should be greater than 0");
        return Err(fault.with(json!({ "gt": 0.0 })));
    }
    Ok(Duration::try_from_secs_f64(number).ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    async fn read(body: &'static str) -> Result<Execute, Refusal> {
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]);
        Execute::read(&headers, Body::from(body)).await
    }

    #[tokio::test]
    async fn a_command_may_have_a_time_limit() {
        for (body, seconds) in [
            (r#"{"command":"a"}"#, None),
            (r#"{"command":"a","timeout_seconds":null,"more":1}"#, None),
            (r#"{"command":"a","timeout_seconds":0.5}"#, Some(0.5)),
            (r#"{"command":"a","timeout_seconds":" 1e1 "}"#, Some(10.0)),
            (r#"{"command":"a","timeout_seconds":true}"#, Some(1.0)),
            (r#"{"command":"a","timeout_seconds":1e300}"#, None),
        ] {
            let timeout = seconds.map(Duration::from_secs_f64);
            let command = "a".to_owned();
            assert_eq!(read(body).await, Ok(Execute { command, timeout }), "{body}");
        }
    }

    /// Bodies and what FastAPI 0.165 with pydantic 2.14 answers to each.
    const REFUSED: &[(&str, &str)] = &[
        (
            "",
            r#"[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]"#,
        ),
        (
            "[]",
            r#"[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":[]}]"#,
        ),
        (
            "{}",
            r#"[{"type":"missing","loc":["body","command"],"msg":"Field required","input":{}}]"#,
        ),
        (
            r#"{"command":1}"#,
            r#"[{"type":"string_type","loc":["body","command"],"msg":"Input should be a valid string","input":1}]"#,
        ),
        (
            r#"{"command":"a","timeout_seconds":-1}"#,
            r#"[{"type":"greater_than","loc":["body","timeout_seconds"],"msg":"Input should be greater than 0","input":-1,"ctx":{"gt":0.0}}]"#,
        ),
        (
            r#"{"command":"a","timeout_seconds":"inf"}"#,
            r#"[{"type":"finite_number","loc":["body","timeout_seconds"],"msg":"Input should be a finite number","input":"inf"}]"#,
        ),
        (
            r#"{"command":"a","timeout_seconds":[]}"#,
            r#"[{"type":"float_type","loc":["body","timeout_seconds"],"msg":"Input should be a valid number","input":[]}]"#,
        ),
        (
            r#"{"timeout_seconds":"x"}"#,
            r#"[{"type":"missing","loc":["body","command"],"msg":"Field required","input":{"timeout_seconds":"x"}},{"type":"float_parsing","loc":["body","timeout_seconds"],"msg":"Input should be a valid number, unable to parse string as a number","input":"x"}]"#,
        ),
    ];

    #[tokio::test]
    async fn what_is_no_request_is_told_as_fastapi_tells_it() {
        for (body, answer) in REFUSED {
            let Err(Refusal::Unprocessable(faults)) = read(body).await else {
                panic!("{body} was taken");
            };
            assert_eq!(serde_json::to_string(&faults).unwrap(), *answer, "{body}");
        }
    }

    #[tokio::test]
    async fn broken_json_is_told_with_its_place() {
        for (body, at) in [("x", 0), ("{\n  x", 4), ("{\"ä\":x}", 5)] {
            let Err(Refusal::Unprocessable(faults)) = read(body).await else {
                panic!("{body} was taken");
            };
            let told = serde_json::to_value(&faults).unwrap();
            assert_eq!(told[0]["type"], "json_invalid");
            assert_eq!(told[0]["loc"], json!(["body", at]), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_past_the_bound_is_not_taken() {
        let json = |bytes: usize| format!("{{\"command\":\"{}\"}}", "x".repeat(bytes - 14));
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        )]);
        let most = Execute::read(&headers, json(MAX_JSON_BYTES).into()).await;
        assert!(most.is_ok());
        let more = Execute::read(&headers, json(MAX_JSON_BYTES + 1).into()).await;
        assert!(matches!(
            more,
            Err(Refusal::Status(StatusCode::PAYLOAD_TOO_LARGE, _))
        ));
    }

    #[test]
    fn a_body_that_is_too_slow_is_told_as_fastapi_tells_it() {
        let refused = Refusal::from(BodyError::TooSlow(Duration::from_secs(1)));
        let told = Refusal::Status(StatusCode::REQUEST_TIMEOUT, "Request Timeout");
        assert_eq!(refused, told);
    }

    #[tokio::test]
    async fn another_content_type_is_no_object() {
        let refused = Execute::read(&HeaderMap::new(), r#"{"command":"a"}"#.into()).await;
        assert!(matches!(refused, Err(Refusal::Unprocessable(_))));
    }
}
