//! `/v1/health`, `/v1/metadata` and `/openapi.json`

use std::collections::BTreeMap;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::reply::{self, Refusal};
use crate::backend::{Backend, Doings};

/// What this module answers, for machines that write clients.
const OPENAPI: &str = include_str!("openapi.json");

#[derive(Serialize)]
struct Health {
    status: &'static str,
    uptime_seconds: u64,
}

#[derive(Serialize)]
struct Metadata {
    env: BTreeMap<String, String>,
    #[serde(flatten)]
    doings: Option<Doings>,
}

pub(super) async fn health<B: Backend>(Extension(backend): Extension<B>) -> Response {
    match backend.health() {
        Ok(()) => {
            let health = Health {
                status: "ok",
                uptime_seconds: backend.state().uptime().as_secs(),
            };
            reply::json(StatusCode::OK, &health)
        }
        Err(unavailable) => Refusal::from(unavailable).into_response(),
    }
}

pub(super) async fn metadata<B: Backend>(Extension(backend): Extension<B>) -> Response {
    let metadata = Metadata {
        env: backend.metadata(),
        doings: backend.doings(),
    };
    reply::json(StatusCode::OK, &metadata)
}

pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
