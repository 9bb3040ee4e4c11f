//! The HTTP API of the python-runtime image, which the SDKs speak unless told
//! otherwise: small JSON requests to run a command and to move files. It is
//! a FastAPI program, so what is refused is refused in FastAPI's words.

mod execute;
mod files;
mod refusal;
mod request;
mod words;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Serialize;
use serde_json::json;

use crate::backend::Backend;

/// Serves the API. Requests carry a `B`, and a `Caller` if there is one, in
/// their extensions.
pub fn router<B: Backend>() -> Router {
    Router::new()
        .route("/", only_get(get(active)))
        .route("/execute", only_post(post(execute::execute::<B>)))
        .route("/upload", only_post(post(files::upload::<B>)))
        .route("/download/", only_get(get(files::download::<B>)))
        .route("/download/{*path}", only_get(get(files::download::<B>)))
        .route("/list/", only_get(get(files::list::<B>)))
        .route("/list/{*path}", only_get(get(files::list::<B>)))
        .route("/exists/", only_get(get(files::exists::<B>)))
        .route("/exists/{*path}", only_get(get(files::exists::<B>)))
        .fallback(unknown)
}

/// FastAPI sends a caller who is wrong by one slash to the right place.
async fn unknown(uri: Uri) -> Response {
    let right = match uri.path() {
        "/execute/" => "/execute",
        "/upload/" => "/upload",
        "/download" => "/download/",
        "/list" => "/list/",
        "/exists" => "/exists/",
        _ => return detail(StatusCode::NOT_FOUND, "Not Found"),
    };
    let to = [(header::LOCATION, right)];
    (StatusCode::TEMPORARY_REDIRECT, to).into_response()
}

/// Says that the sandbox is there. It waits for nothing.
async fn active() -> Response {
    #[derive(Serialize)]
    struct Active {
        status: &'static str,
        message: &'static str,
    }
    let active = Active {
        status: "ok",
        message: "Sandbox Runtime is active.",
    };
    answer(StatusCode::OK, &active)
}

/// FastAPI does not answer HEAD where it answers GET.
fn only_get(routes: MethodRouter) -> MethodRouter {
    let refuse = async || not_allowed("GET");
    routes.head(refuse).fallback(refuse)
}

fn only_post(routes: MethodRouter) -> MethodRouter {
    routes.fallback(async || not_allowed("POST"))
}

fn not_allowed(method: &'static str) -> Response {
    let refused = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    ([(header::ALLOW, method)], refused).into_response()
}

/// A status with a sentence, as FastAPI's own errors.
fn detail(status: StatusCode, text: &str) -> Response {
    answer(status, &json!({ "detail": text }))
}

/// A status with JSON, without spaces, as FastAPI writes it.
fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, JSON)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
