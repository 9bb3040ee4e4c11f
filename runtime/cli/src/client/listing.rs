//! `mote ls`.

use mote_api::SandboxId;
use mote_client::table::Table;
use mote_client::text;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LAST_MODIFIED};
use reqwest::{Method, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::api::{Api, ApiError};
use crate::client::args::{ListArgs, TextForm};
use crate::client::parse;
use crate::client::place::Remote;
use crate::client::server::{self, Server};
use crate::failure::Failure;
use crate::{report, stop};

/// The folder `path` of a sandbox.
#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    path: String,
    entries: Vec<Entry>,
}

/// One name in a folder.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    size: u64,
    r#type: String,
    modified_at: String,
    mode: String,
}

/// Whether the answer for a path is a listing, as for folders, and no file's
/// content.
pub(crate) fn is_listing(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// Lists files of a sandbox.
pub(crate) fn list(args: ListArgs) -> Result<u8, Failure> {
    let (server, remote) = checked(&args).map_err(Failure::Usage)?;
    let text = stop::until_signal(async {
        let listed = listed(&Api::new(server)?, &remote, args.form).await;
        listed.map_err(|error| error.during(&format!("list {remote}")))
    })?;
    report::print(text.as_bytes())?;
    Ok(0)
}

fn checked(args: &ListArgs) -> Result<(Server, Remote), Vec<String>> {
    let mut mistakes = Vec::new();
    let (id, path) = args.place.split_once(':').unwrap_or((&args.place, ""));
    let remote = parse::id(id, &mut mistakes).and_then(|id: SandboxId| {
        let remote = Remote::new(id, path);
        remote.map_err(|mistake| mistakes.push(mistake)).ok()
    });
    let server = server::server(&args.server, &mut mistakes);
    parse::checked(server.zip(remote), mistakes)
}

async fn listed(api: &Api, remote: &Remote, form: TextForm) -> Result<String, ApiError> {
    let request = api.files(Method::GET, &remote.id, api.url(&remote.path.url_path()));
    let response = api.answer(request).await?;
    if !is_listing(response.headers()) {
        return Ok(of_file(remote, &response, form));
    }
    let bytes = response.bytes().await.map_err(|error| api.lost(&error))?;
    let listing: Listing = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::Lost(format!("{remote}: the listing makes no sense: {error}"))
    })?;
    Ok(match form {
        TextForm::Json => format!("{}\n", json!(listing)),
        TextForm::Text => of_folder(&listing),
    })
}

fn of_folder(listing: &Listing) -> String {
    let mut table = Table::new(&["MODE", "SIZE", "MODIFIED", "NAME"]);
    for entry in &listing.entries {
        let slash = if entry.r#type == "directory" { "/" } else { "" };
        table.row([
            entry.mode.clone(),
            text::size(entry.size),
            entry.modified_at.clone(),
            format!("{}{slash}", entry.name),
        ]);
    }
    table.text()
}

/// What the headers say of a file, whose content is not read.
fn of_file(remote: &Remote, response: &Response, form: TextForm) -> String {
    let size = response.content_length().unwrap_or_default();
    let modified = response.headers().get(LAST_MODIFIED);
    let modified = modified.and_then(|at| at.to_str().ok()).unwrap_or_default();
    let name = remote.path.name().unwrap_or_default();
    if form == TextForm::Json {
        let entry = json!({ "name": name, "size": size, "type": "file", "modified": modified });
        return format!("{entry}\n");
    }
    let mut table = Table::new(&["SIZE", "MODIFIED", "NAME"]);
    table.row([text::size(size), modified.to_owned(), name.to_owned()]);
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_from_files() {
        let listing: Listing = serde_json::from_str(
            r#"{"path":"/","entries":[
                {"name":"src","size":4096,"type":"directory","modified_at":"2026-01-02T03:04:05Z","mode":"0755"},
                {"name":"a b","size":7,"type":"file","modified_at":"2026-01-02T03:04:05Z","mode":"0644"}]}"#,
        )
        .unwrap();
        assert_eq!(
            of_folder(&listing),
            "MODE  SIZE      MODIFIED              NAME\n\
             0755  4.00 KiB  2026-01-02T03:04:05Z  src/\n\
             0644  7 B       2026-01-02T03:04:05Z  a b\n"
        );
    }

    #[test]
    fn only_json_is_a_listing() {
        let headers = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            headers
        };
        assert!(is_listing(&headers("application/json; charset=utf-8")));
        assert!(!is_listing(&headers("application/octet-stream")));
        assert!(!is_listing(&HeaderMap::new()));
    }
}
