//! Contexts over REST.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use axum::{Extension, Router};
use http::{HeaderMap, StatusCode};
use mote_api::{ByteSize, ContextName, Outcome};
use serde::{Deserialize, Serialize};

use super::call::{Call, Code, Raised};
use super::table::Listed;
use super::{Asked, LIFETIME, begin, seconds};
use crate::backend::{Backend, StartError};
use crate::body::read_body;
use crate::caller::Caller;
use crate::output::collect;
use crate::rest::not_allowed;
use crate::rest::reply::{Refusal, json};
use crate::{State, call};

/// Longest JSON body, in bytes: as of a command line.
const MAX_JSON_BYTES: usize = 1024 * 1024;

/// Serves `/v1/contexts`. Requests carry a `B`, and a `Caller` if there is
/// one, in their extensions.
pub fn routes<B: Backend>() -> Router {
    Router::new()
        .route("/v1/contexts", only(get(list::<B>), "GET, HEAD"))
        .route(
            "/v1/contexts/{name}",
            only(put(create::<B>).delete(remove::<B>), "DELETE, PUT"),
        )
        .route(
            "/v1/contexts/{name}/execute",
            only(post(execute::<B>), "POST"),
        )
}

fn only(routes: MethodRouter, allowed: &'static str) -> MethodRouter {
    routes.fallback(move || async move { not_allowed(allowed) })
}

/// What a context is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    memory: Option<ByteSize>,
    idle_timeout_seconds: Option<u64>,
}

/// What is to be run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Execute {
    code: String,
    timeout_seconds: Option<f64>,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct Executed {
    stdout: String,
    stderr: String,
    exit_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Raised>,
    /// The context is new: it holds nothing of earlier calls.
    created: bool,
    /// The context ended with the call.
    lost: bool,
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
struct Contexts {
    contexts: Vec<Context>,
}

#[derive(Debug, Serialize)]
struct Context {
    name: ContextName,
    limits: serde_json::Map<String, serde_json::Value>,
    idle_timeout_seconds: u64,
    busy: bool,
}

impl From<Listed> for Context {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.name,
            limits: listed.limits,
            idle_timeout_seconds: listed.idle.as_secs(),
            busy: listed.busy,
        }
    }
}

async fn list<B: Backend>(Extension(backend): Extension<B>) -> Result<Response, Refusal> {
    backend.health()?;
    let contexts = listed(backend.state());
    Ok(json(StatusCode::OK, &Contexts { contexts }))
}

fn listed(state: &State) -> Vec<Context> {
    let contexts = state.contexts.list();
    contexts.into_iter().map(Context::from).collect()
}

/// Makes a context and waits until it has run nothing at all.
async fn create<B: Backend>(
    Extension(backend): Extension<B>,
    Path(name): Path<String>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let name: ContextName = name.parse().map_err(invalid)?;
    let body = read_body(body, MAX_JSON_BYTES).await?;
    let settings = match body.is_empty() {
        true => Settings::default(),
        false => parse(&body)?,
    };
    let mut asked = asked(&backend, &headers)?;
    if let Some(memory) = settings.memory {
        let limits = &mut asked.wanted.limits;
        limits.insert("memory".to_owned(), memory.to_string().into());
    }
    asked.wanted.idle = settings.idle_timeout_seconds.map(idle).transpose()?;
    backend.state().contexts.forget(&name);
    let begun = begin(&backend, &name, asked, Call::default(), caller_of(caller)).await?;
    collect(begun.running).await;
    let status = match begun.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let mut contexts = listed(backend.state()).into_iter();
    let made = contexts.find(|context| context.name == name);
    Ok(json(status, &made.ok_or(StartError::Host)?))
}

fn idle(seconds: u64) -> Result<Duration, Refusal> {
    let idle = Duration::from_secs(seconds);
    if idle.is_zero() || idle > LIFETIME {
        return Err(invalid(format!(
            "idle_timeout_seconds is {seconds}; it must be 1 to {}",
            LIFETIME.as_secs()
        )));
    }
    Ok(idle)
}

async fn execute<B: Backend>(
    Extension(backend): Extension<B>,
    Path(name): Path<String>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let name: ContextName = name.parse().map_err(invalid)?;
    let Execute {
        code,
        timeout_seconds,
    } = parse(&read_body(body, MAX_JSON_BYTES).await?)?;
    let mut asked = asked(&backend, &headers)?;
    if let Some(limit) = timeout_seconds {
        asked.limit = asked.limit.min(seconds("timeout_seconds", &limit.into())?);
    }
    let call = Call {
        code: Code::Code(code),
        ..Call::default()
    };
    let mut begun = begin(&backend, &name, asked, call, caller_of(caller)).await?;
    let output = collect(begun.running).await;
    let exit = output.exit.ok_or(StartError::Host)?;
    let answered = begun.answer.try_recv().ok();
    let lost = answered.is_none();
    let answered = answered.unwrap_or_default();
    let executed = Executed {
        stdout: output.stdout,
        stderr: output.stderr,
        exit_code: exit.code,
        result: answered.result,
        error: answered.error,
        created: begun.created,
        lost,
        outcome: *exit.outcome,
    };
    Ok(json(StatusCode::OK, &executed))
}

async fn remove<B: Backend>(
    Extension(backend): Extension<B>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    backend.health()?;
    let name: ContextName = name.parse().map_err(invalid)?;
    match backend.state().contexts.remove(&name) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("there is no context {name}"),
        )),
    }
}

fn caller_of(caller: Option<Extension<Caller>>) -> Caller {
    caller.map(|Extension(caller)| caller).unwrap_or_default()
}

/// What the headers ask of a call.
fn asked<B: Backend>(backend: &B, headers: &HeaderMap) -> Result<Asked, Refusal> {
    let options = call::options(headers).map_err(invalid)?;
    Ok(Asked::of(options, backend.deadline())?)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // By way of a map: a list of values would do for the types as well.
    let map: serde_json::Map<_, _> = serde_json::from_slice(body).map_err(invalid)?;
    serde_json::from_value(map.into()).map_err(invalid)
}

fn invalid(error: impl std::fmt::Display) -> Refusal {
    Refusal::invalid(error.to_string())
}
