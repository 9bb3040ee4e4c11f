//! The node's own REST interface: sandboxes come, rest, are copied and go.

mod events;
mod refusal;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{StatusCode, header};
use mote_api::{Sandbox as Told, SandboxId, SandboxSpec};
use mote_surface::{Caller, read_body};
use serde_json::json;

use crate::audit::Action;
use crate::metrics;
use crate::node::Node;
use crate::sandbox::Sandbox;
pub(crate) use refusal::Refusal;

/// Longest body of a request: a specification with as much environment as a
/// sandbox may have.
const MAX_BODY_BYTES: usize = 2 << 20;

/// The routes of the node itself.
pub(crate) fn router(node: Node) -> Router {
    Router::new()
        .route("/v1/sandboxes", get(list).post(create))
        .route("/v1/sandboxes/{id}", get(show).delete(delete))
        .route("/v1/sandboxes/{id}/suspend", post(suspend))
        .route("/v1/sandboxes/{id}/resume", post(resume))
        .route("/v1/sandboxes/{id}/fork", post(fork))
        .route("/v1/sandboxes/{id}/log", get(log))
        .route("/v1/sandboxes/{id}/events", get(events::of_one))
        .route("/v1/events", get(events::of_all))
        .route("/metrics", get(metrics_page))
        .route("/openapi.json", get(openapi))
        .fallback(refusal::no_route)
        .method_not_allowed_fallback(refusal::no_method)
        .with_state(node)
}

type Answer<T> = Result<T, Refusal>;

/// The sandbox that a path names.
pub(super) fn find(node: &Node, id: &str) -> Answer<Arc<Sandbox>> {
    let known = id.parse::<SandboxId>().ok().and_then(|id| node.find(&id));
    known.ok_or_else(|| Refusal::gone(id))
}

fn told(sandbox: &Sandbox) -> Answer<Json<Told>> {
    sandbox
        .told()
        .map(Json)
        .ok_or_else(|| Refusal::gone(sandbox.id.as_str()))
}

/// What a body asks for; an empty one asks for nothing in particular.
async fn spec(body: Body) -> Answer<SandboxSpec> {
    let body = read_body(body, MAX_BODY_BYTES).await?;
    if body.is_empty() {
        return Ok(SandboxSpec::default());
    }
    // By way of a map: a list of values would do for the type as well.
    let map = serde_json::from_slice::<serde_json::Map<_, _>>(&body);
    let spec = map.and_then(|map| serde_json::from_value(map.into()));
    spec.map_err(|error| {
        Refusal::invalid(format!(
            "the body is no specification of a sandbox: {error}"
        ))
    })
}

async fn create(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer<Response> {
    let told = node.create(spec(body).await?, &caller).await?;
    Ok(created(told))
}

async fn fork(
    State(node): State<Node>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer<Response> {
    let from = find(&node, &id)?;
    let told = node.fork(&from, spec(body).await?, &caller).await?;
    Ok(created(told))
}

fn created(told: Told) -> Response {
    let location = format!("/v1/sandboxes/{}", told.id);
    (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(told),
    )
        .into_response()
}

/// All sandboxes, or those that have every label that `?label=NAME=VALUE`
/// names, in the order of their names. Their environments, which may be large,
/// are left out.
async fn list(State(node): State<Node>, RawQuery(query): RawQuery) -> Answer<Response> {
    let wanted = labels(query.as_deref().unwrap_or(""))?;
    let mut all: Vec<Told> = node
        .all()
        .iter()
        .filter_map(|sandbox| sandbox.told())
        .map(|told| Told {
            env: Default::default(),
            ..told
        })
        .filter(|told| {
            let mut wanted = wanted.iter();
            wanted.all(|(name, value)| told.labels.get(name) == Some(value))
        })
        .collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(json!({ "sandboxes": all })).into_response())
}

fn labels(query: &str) -> Answer<Vec<(String, String)>> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|error| Refusal::invalid(format!("the query cannot be read: {error}")))?;
    let label = |(key, value): (String, String)| match (key.as_str(), value.split_once('=')) {
        ("label", Some((name, value))) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Refusal::invalid(
            "the query may hold label=NAME=VALUE, any number of times, and nothing else".to_owned(),
        )),
    };
    pairs.into_iter().map(label).collect()
}

async fn show(State(node): State<Node>, Path(id): Path<String>) -> Answer<Json<Told>> {
    told(&*find(&node, &id)?)
}

async fn delete(
    State(node): State<Node>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<StatusCode> {
    let sandbox = find(&node, &id)?;
    node.delete(&sandbox, Action::Delete, Some(&caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn suspend(
    State(node): State<Node>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<Json<Told>> {
    let sandbox = find(&node, &id)?;
    node.suspend(&sandbox).await?;
    node.audit(&sandbox.id, Action::Suspend, None, Some(&caller));
    told(&sandbox)
}

async fn resume(
    State(node): State<Node>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<Json<Told>> {
    let sandbox = find(&node, &id)?;
    sandbox.resume().await?;
    node.audit(&sandbox.id, Action::Resume, None, Some(&caller));
    told(&sandbox)
}

/// One line of JSON for each call, oldest first.
async fn log(State(node): State<Node>, Path(id): Path<String>) -> Answer<Response> {
    let sandbox = find(&node, &id)?;
    let path = sandbox.home.log();
    let read = tokio::task::spawn_blocking(move || crate::log::read(&path)).await;
    let lines = read
        .map_err(|error| error.to_string())
        .and_then(|read| read.map_err(|error| error.to_string()))
        .map_err(|error| Refusal::host("read the log of", &sandbox.id, &error))?;
    let kind = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((kind, Body::from(lines)).into_response())
}

async fn metrics_page(State(node): State<Node>) -> Response {
    let page = node.0.shared.observer.metrics.render(&node.snapshot());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response()
}

async fn openapi() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, include_str!("api/openapi.json")).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn what_is_described_is_what_is_routed() {
        let document: Value = serde_json::from_str(include_str!("api/openapi.json")).unwrap();
        let described = document["paths"].as_object().unwrap().keys();
        let source = include_str!("api.rs");
        let routed: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".route(\""))
            .filter_map(|line| line.split('"').next())
            .collect();
        assert!(routed.len() > 8, "{routed:?}");
        for path in described {
            assert!(routed.contains(&path.as_str()), "{path} is not routed");
        }
        for path in routed {
            assert!(
                document["paths"].get(path).is_some(),
                "{path} is not described"
            );
        }
    }
}
