//! `/execute`: one command, without a shell, to its end.

use std::path::PathBuf;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use mote_api::{CallOptions, End, Outcome};
use serde::Serialize;
use serde_json::Value;

use super::refusal::Refusal;
use super::request::Execute;
use super::{answer, words};
use crate::backend::{Backend, Command, StartError};
use crate::caller::{Caller, OUTCOME_HEADER};
use crate::output::{Output, collect, line};
use crate::{call, contexts};

/// The exit status of a command that did not start.
const FAILED_TO_START: i32 = 1;
/// The exit status of a command that took too long, as of `timeout`.
const TIMED_OUT: i32 = 124;
/// Shortest time limit: one of no time at all would be none.
const SHORTEST_TIMEOUT: Duration = Duration::from_micros(1);
/// The name of the time limit among [`mote_api::Limits`].
const DEADLINE: &str = "deadline";

/// What became of a command; the fields in the order of the original.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Executed {
    stdout: String,
    stderr: String,
    exit_code: i32,
    timed_out: bool,
}

impl Executed {
    fn not_started(why: &dyn std::fmt::Display) -> Self {
        Self {
            stderr: format!("Failed to execute command: {why}"),
            exit_code: FAILED_TO_START,
            ..Self::default()
        }
    }

    fn ended(output: Output, limit: f64) -> (Self, Option<Outcome>) {
        let Some(exit) = output.exit else {
            return (Self::not_started(&StartError::Host), None);
        };
        let mut executed = Self {
            stdout: output.stdout,
            stderr: output.stderr,
            exit_code: exit.code,
            timed_out: exit.outcome.end == End::Deadline,
        };
        if executed.timed_out {
            executed.exit_code = TIMED_OUT;
            let note = format!("Command timed out after {limit} seconds");
            line(&mut executed.stderr, &note);
        } else if let Some(hint) = &exit.outcome.hint {
            line(&mut executed.stderr, hint);
        }
        (executed, Some(*exit.outcome))
    }
}

/// Runs a command. That it cannot be started is an answer like others.
pub(super) async fn execute<B: Backend>(
    Extension(backend): Extension<B>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut options = call::options(&headers)
        .map_err(|error| Refusal::Message(StatusCode::BAD_REQUEST, error.to_string()))?;
    let request = Execute::read(&headers, body).await?;
    let limit = limit(&mut options, request.timeout, backend.deadline());
    let argv = match words::split(&request.command) {
        Ok(argv) if !argv.is_empty() => argv,
        Ok(_) => {
            return Ok(executed(
                &Executed::not_started(&"the command is empty"),
                None,
            ));
        }
        Err(error) => return Ok(executed(&Executed::not_started(&error), None)),
    };
    let command = Command {
        argv,
        env: Vec::new(),
        cwd: PathBuf::new(),
        terminal: None,
        stdin: false,
        lifetime: None,
        options,
        caller: caller.map(|Extension(caller)| caller).unwrap_or_default(),
    };
    let (told, outcome) = match contexts::start(&backend, command).await {
        Ok(running) => Executed::ended(collect(running).await, limit),
        Err(StartError::Unavailable(error)) => return Err(error.into()),
        Err(error) => (Executed::not_started(&error), None),
    };
    Ok(executed(&told, outcome.as_ref()))
}

fn executed(executed: &Executed, outcome: Option<&Outcome>) -> Response {
    let mut response = answer(StatusCode::OK, executed).into_response();
    if let Some(outcome) = outcome.and_then(call::outcome) {
        response.headers_mut().insert(OUTCOME_HEADER, outcome);
    }
    response
}

/// Puts the shortest of all time limits into `options`; in seconds.
fn limit(options: &mut CallOptions, asked: Option<Duration>, most: Duration) -> f64 {
    let limit = asked.map_or(most, |asked| asked.min(most).max(SHORTEST_TIMEOUT));
    let limit = limit.as_secs_f64();
    match options.limits.get(DEADLINE).map(Value::as_f64) {
        Some(Some(shorter)) if shorter <= limit => shorter,
        // No number: whoever starts the program refuses it.
        Some(None) => limit,
        _ => {
            options.limits.insert(DEADLINE.to_owned(), limit.into());
            limit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(300);

    fn limited(options: &str, asked: Option<f64>) -> (f64, Option<f64>) {
        let mut options: CallOptions = serde_json::from_str(options).unwrap();
        let told = limit(&mut options, asked.map(Duration::from_secs_f64), MOST);
        (told, options.limits.get(DEADLINE).and_then(Value::as_f64))
    }

    #[test]
    fn the_shortest_time_limit_holds() {
        assert_eq!(limited("{}", None), (300.0, Some(300.0)));
        assert_eq!(limited("{}", Some(0.5)), (0.5, Some(0.5)));
        assert_eq!(limited("{}", Some(900.0)), (300.0, Some(300.0)));
        let two = r#"{"limits": {"deadline": 2}}"#;
        assert_eq!(limited(two, Some(5.0)), (2.0, Some(2.0)));
        assert_eq!(limited(two, Some(1.0)), (1.0, Some(1.0)));
        let none = r#"{"limits": {"deadline": "soon"}}"#;
        assert_eq!(limited(none, Some(1.0)), (1.0, None));
    }
}
