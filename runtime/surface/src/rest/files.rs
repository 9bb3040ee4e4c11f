//! `/v1/files/…`

use std::path::Path;

use axum::Extension;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use serde::Serialize;

use super::reply::{self, Refusal};
use super::upload::{self, blocking};
use super::{archive, content, moved, not_allowed, uri};
use crate::backend::Backend;
use crate::files::{FileError, Files, Found, Listed};

/// What a path of a file takes.
const ALLOWED: &str = "DELETE, GET, HEAD, PUT";

/// A folder as the reference tells it.
#[derive(Serialize)]
struct Listing {
    path: String,
    entries: Vec<Row>,
}

/// One name in a folder.
#[derive(Serialize)]
struct Row {
    name: String,
    size: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    modified_at: String,
    mode: String,
}

/// Sends to `/v1/files/`, which is the root.
pub(super) async fn without_slash(method: Method, uri: Uri) -> Response {
    match method {
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE => {
            moved(&method, &uri::with_query("/v1/files/", &uri))
        }
        _ => not_allowed(ALLOWED),
    }
}

pub(super) async fn files<B: Backend>(
    Extension(backend): Extension<B>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(clean) = uri::cleaned(&parts.uri) {
        return moved(&parts.method, &clean);
    }
    let answered = match parts.method {
        Method::GET | Method::HEAD => read(&backend, &parts).await,
        Method::PUT => write(&backend, &parts, body).await,
        Method::DELETE => delete(&backend, &parts).await,
        _ => return not_allowed(ALLOWED),
    };
    answered.unwrap_or_else(Refusal::into_response)
}

async fn read<B: Backend>(backend: &B, parts: &Parts) -> Result<Response, Refusal> {
    let path = uri::file_path(&parts.uri)?;
    let packed = archive::asked(&parts.uri)?;
    let head = parts.method == Method::HEAD;
    let headers = parts.headers.clone();
    let place = match packed && !head {
        true => Some(archive::place(&backend.state().archives).await?),
        false => None,
    };
    let files = backend.files().await?;
    let reader = files.clone();
    let found = blocking(move || {
        Ok(match reader.find(&path)? {
            Found::File(opened) if !packed => Ok(content::serve(head, &headers, opened)),
            Found::Folder(folder) if !packed => list(&reader, &folder, &path).map(Ok)?,
            found => Err(found),
        })
    });
    match found.await? {
        Ok(response) => Ok(response),
        Err(Found::Folder(folder)) => Ok(archive::send(place, files, folder)),
        Err(Found::File(_)) => Err(archive::no_folder()),
    }
}

fn list(files: &Files, folder: &Path, asked: &str) -> Result<Response, FileError> {
    let slash = if asked.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{asked}");
    let entries = files.list(folder)?.into_iter().map(Row::from).collect();
    Ok(reply::json(StatusCode::OK, &Listing { path, entries }))
}

impl From<Listed> for Row {
    fn from(listed: Listed) -> Self {
        let Listed {
            name,
            size,
            folder,
            modified,
            mode,
        } = listed;
        let modified = jiff::Timestamp::try_from(modified).unwrap_or_default();
        Self {
            name: name.to_string_lossy().into_owned(),
            size,
            kind: if folder { "directory" } else { "file" },
            modified_at: modified.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            mode: format!("{mode:04o}"),
        }
    }
}

async fn write<B: Backend>(backend: &B, parts: &Parts, body: Body) -> Result<Response, Refusal> {
    let path = uri::file_path(&parts.uri)?;
    let place = match archive::asked(&parts.uri)? {
        true => Some(archive::place(&backend.state().archives).await?),
        false => None,
    };
    let ending = backend.state().uploads.begin();
    let files = backend.files().await?;
    let body = ending.cut(body);
    let written = match place {
        Some(place) => archive::receive(place, files, path, body).await,
        None => upload::put(files, path, &parts.uri, &parts.headers, body).await,
    };
    written.map_err(|error| ending.why(backend, error))?;
    Ok(reply::no_content())
}

async fn delete<B: Backend>(backend: &B, parts: &Parts) -> Result<Response, Refusal> {
    let path = uri::file_path(&parts.uri)?;
    let files = backend.files().await?;
    let asked = path.clone();
    let looking = files.clone();
    blocking(move || looking.look(&asked)).await?;
    let recursive = uri::flag(&parts.uri, "recursive")?;
    blocking(move || files.remove(&path, recursive)).await?;
    Ok(reply::no_content())
}
