//! `/upload`, `/download`, `/list` and `/exists`.

use std::time::SystemTime;

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use http::header::CONTENT_DISPOSITION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer;
use super::refusal::{Fault, Refusal};
use crate::backend::Backend;
use crate::files::{FileError, Files, Found, Listed, PathError};
use crate::multipart::{Form, Part};
use crate::patience::{PATIENCE, Patience};
use crate::rest::content;
use crate::rest::upload::write;

/// Permission bits of an uploaded file.
const MODE: u32 = 0o644;

/// One name in a folder; the fields in the order of the original.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    size: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    mod_time: f64,
}

impl From<Listed> for Row {
    fn from(listed: Listed) -> Self {
        let since = listed.modified.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            name: listed.name.to_string_lossy().into_owned(),
            size: listed.size,
            kind: if listed.folder { "directory" } else { "file" },
            mod_time: since.map_or_else(
                |before| -before.duration().as_secs_f64(),
                |since| since.as_secs_f64(),
            ),
        }
    }
}

/// Writes the part `file` to where its file name says.
pub(super) async fn upload<B: Backend>(
    Extension(backend): Extension<B>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let ending = backend.state().uploads.begin();
    let files = backend.files().await?;
    let written = receive(files, &headers, ending.cut(body)).await;
    let name = written.map_err(|refusal| ending.why(&backend, refusal))?;
    let text = format!("File '{name}' uploaded successfully.");
    Ok(answer(StatusCode::OK, &json!({ "message": text })))
}

/// Writes the part `file` of a body; the name that it has there.
async fn receive(files: Files, headers: &HeaderMap, body: Body) -> Result<String, Refusal> {
    let form = Form::of(headers, body)
        .map_err(|_| Refusal::Status(StatusCode::BAD_REQUEST, "Missing boundary in multipart."))?
        .map_err(|_| no_file())?;
    let mut patience = Patience::new(PATIENCE);
    let (part, name) = file_part(form, &mut patience).await?;
    let path = below(&name);
    let upload = blocking(move || files.upload(&path, MODE)).await;
    let upload = upload?.map_err(|error| match denied(&error) {
        true => access_denied(),
        false => upload_failed(&error),
    })?;
    let written = write(upload, part, patience).await;
    written.map_err(|refusal| match refusal.status {
        StatusCode::REQUEST_TIMEOUT => Refusal::idle(),
        _ => upload_failed(&refusal.message),
    })?;
    Ok(name)
}

/// The part named `file`, and its file name.
async fn file_part(mut form: Form, patience: &mut Patience) -> Result<(Part, String), Refusal> {
    const BROKEN: Refusal = Refusal::Status(StatusCode::BAD_REQUEST, "Invalid multipart data.");
    loop {
        let next = patience.wait(form.next()).await?.map_err(|_| BROKEN)?;
        let mut part = next.ok_or_else(no_file)?;
        let name = part.file_name().map(str::to_owned);
        match name {
            Some(name) if part.name() == Some("file") => return Ok((part, name)),
            None if part.name() == Some("file") => {
                let text = "Value error, Expected UploadFile, received: <class 'str'>";
                return Err(Fault::new("value_error", &[json!("file")], text, &Value::Null).into());
            }
            _ => {}
        }
        while let Some(skipped) = patience.next(&mut part).await? {
            skipped.map_err(|_| BROKEN)?;
        }
    }
}

pub(super) async fn download<B: Backend>(
    Extension(backend): Extension<B>,
    path: Asked,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let name = asked(path);
    match find(&backend, &name).await? {
        Ok(Found::File(opened)) => {
            let mut response = content::serve(false, &headers, opened);
            if let Some(value) = disposition(&name) {
                response.headers_mut().insert(CONTENT_DISPOSITION, value);
            }
            Ok(response)
        }
        Err(error) if denied(&error) => Err(access_denied()),
        _ => Err(message(StatusCode::NOT_FOUND, "File not found")),
    }
}

pub(super) async fn list<B: Backend>(
    Extension(backend): Extension<B>,
    path: Asked,
) -> Result<Response, Refusal> {
    let files = backend.files().await?;
    match find(&backend, &asked(path)).await? {
        Ok(Found::Folder(folder)) => {
            let listed = blocking(move || files.list(&folder)).await?;
            let listed = listed.map_err(|error| {
                let text = format!("List files failed: {error}");
                Refusal::Message(StatusCode::INTERNAL_SERVER_ERROR, text)
            })?;
            let rows: Vec<Row> = listed.into_iter().map(Row::from).collect();
            Ok(answer(StatusCode::OK, &rows))
        }
        Err(error) if denied(&error) => Err(access_denied()),
        _ => Err(message(StatusCode::NOT_FOUND, "Path is not a directory")),
    }
}

pub(super) async fn exists<B: Backend>(
    Extension(backend): Extension<B>,
    path: Asked,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Exists {
        path: String,
        exists: bool,
    }
    let path = asked(path);
    let exists = match find(&backend, &path).await? {
        Ok(_) | Err(FileError::Special) => true,
        Err(error) if denied(&error) => return Err(access_denied()),
        Err(_) => false,
    };
    Ok(answer(StatusCode::OK, &Exists { path, exists }))
}

/// The path in a request's target, decoded.
type Asked = Result<Option<Path<String>>, PathRejection>;

/// None is the root. What is no text is replaced, as bytes of it are by the
/// original, and so names nothing.
fn asked(path: Asked) -> String {
    match path {
        Ok(path) => path.map(|Path(path)| path).unwrap_or_default(),
        Err(_) => char::REPLACEMENT_CHARACTER.to_string(),
    }
}

/// The original takes an absolute path as one below its root, and refuses
/// one that leads out of it even so.
fn below(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

async fn find<B: Backend>(backend: &B, path: &str) -> Result<Result<Found, FileError>, Refusal> {
    let files: Files = backend.files().await?;
    let path = below(path);
    blocking(move || files.find(&path)).await
}

/// Runs what blocks on the disk where it disturbs nobody.
async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let ran = tokio::task::spawn_blocking(run).await;
    ran.map_err(|_| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
}

/// Whether it is the path that may not be used, wherever it leads.
fn denied(error: &FileError) -> bool {
    matches!(error, FileError::Path(PathError::Escapes | PathError::Nul))
}

fn access_denied() -> Refusal {
    message(StatusCode::FORBIDDEN, "Access denied")
}

fn upload_failed(error: &impl std::fmt::Display) -> Refusal {
    let text = format!("File upload failed: {error}");
    Refusal::Message(StatusCode::INTERNAL_SERVER_ERROR, text)
}

fn no_file() -> Refusal {
    Fault::new("missing", &[json!("file")], "Field required", &Value::Null).into()
}

fn message(status: StatusCode, text: &str) -> Refusal {
    Refusal::Message(status, text.to_owned())
}

/// The name under which the file is to be saved, as Starlette writes it.
fn disposition(path: &str) -> Option<HeaderValue> {
    let name = path.rsplit('/').find(|name| !name.is_empty())?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte);
    let text = match name.bytes().all(is_plain) {
        true => format!("attachment; filename=\"{name}\""),
        false => {
            let encoded = name.bytes().map(|byte| match is_plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            });
            let encoded: String = encoded.collect();
            format!("attachment; filename*=utf-8''{encoded}")
        }
    };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_to_save_under_is_as_starlette_writes_it() {
        for (path, header) in [
            ("a/p.bin", "attachment; filename=\"p.bin\""),
            ("a b.txt", "attachment; filename*=utf-8''a%20b.txt"),
            (
                "ä\r\n\".txt",
                "attachment; filename*=utf-8''%C3%A4%0D%0A%22.txt",
            ),
        ] {
            assert_eq!(disposition(path).unwrap(), header);
        }
    }
}
