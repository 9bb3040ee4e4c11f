//! The REST protocol of sandboxd: a sandbox's files, its health and what is
//! known of its environment.
//!
//! ```text
//! /v1/files/PATH    GET HEAD PUT DELETE; ?archive=tar for a folder and all below
//! /v1/health        GET HEAD
//! /v1/metadata      GET HEAD
//! /v1/logs          GET HEAD; ?tail=LINES, ?since=WHEN, ?timestamps=1, ?follow=1
//! /v1/contexts      GET HEAD; NAME: PUT DELETE, NAME/execute: POST
//! /openapi.json     GET HEAD
//! ```
//!
//! Statuses, headers and bodies are those of the reference, which is built on
//! Go's `net/http`. Beyond it are archives, `/v1/logs`, `/openapi.json`, 408 for a body
//! that comes too slowly, 503 for too many archives at once and 507 `RESOURCE_EXHAUSTED` for a full disk.

pub(crate) mod archive;
mod condition;
pub(crate) mod content;
pub(crate) mod ending;
mod files;
mod info;
mod logs;
mod outlet;
mod range;
pub(crate) mod reply;
pub(crate) mod upload;
mod uri;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::backend::Backend;
use crate::contexts;

/// What a path that only tells something takes.
const TELLS: &str = "GET, HEAD";

/// The routes. Requests carry their `B` in their extensions.
pub fn router<B: Backend>() -> Router {
    Router::new()
        .route("/v1/files", any(files::without_slash))
        .route("/v1/files/", any(files::files::<B>))
        .route("/v1/files/{*path}", any(files::files::<B>))
        .route("/v1/health", telling(get(info::health::<B>)))
        .route("/v1/metadata", telling(get(info::metadata::<B>)))
        .route("/v1/logs", telling(get(logs::logs::<B>)))
        .route("/openapi.json", telling(get(info::openapi)))
        .merge(contexts::routes::<B>())
        .fallback(unknown)
}

fn telling(route: MethodRouter) -> MethodRouter {
    route.fallback(|| async { not_allowed(TELLS) })
}

/// As Go's mux: a path that is not clean is sent to the one that is, and
/// others are unknown.
async fn unknown(method: Method, uri: Uri) -> Response {
    match uri::cleaned(&uri) {
        Some(clean) => moved(&method, &clean),
        None => reply::text(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

pub(crate) fn not_allowed(allowed: &'static str) -> Response {
    let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A redirect as Go writes it. `to` is a path of ours in percent-encoding.
fn moved(method: &Method, to: &str) -> Response {
    let body = match *method {
        Method::GET => {
            let escaped = to.replace('&', "&amp;").replace('\'', "&#39;");
            format!("<a href=\"{escaped}\">Moved Permanently</a>.\n\n")
        }
        _ => String::new(),
    };
    let mut response = (StatusCode::MOVED_PERMANENTLY, body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if matches!(*method, Method::GET | Method::HEAD) {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
    }
    if let Ok(to) = HeaderValue::from_str(to) {
        headers.insert(LOCATION, to);
    }
    response
}

#[cfg(test)]
mod tests;
