//! `kubectl mote ls`: files of a sandbox.

use http::header::{CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, Method};
use hyper::body::Body;
use mote_client::path::WorkspacePath;
use mote_client::table::Table;
use mote_client::text::size;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::{ListArgs, TextForm};
use crate::cluster::Cluster;
use crate::door::Door;
use crate::failure::Failure;
use crate::find::{Name, find};
use crate::print::print;
use crate::rest::{RestError, empty};
use crate::way::Way;

/// A folder of a sandbox.
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
pub(crate) async fn list(args: &ListArgs, cluster: &Cluster) -> Result<(), Failure> {
    let (name, path) = place(&args.place).map_err(|mistake| Failure::Usage(vec![mistake]))?;
    let sandbox = find(cluster, &name).await?;
    let door = match Way::to(cluster, &sandbox, None).await? {
        Way::Door(door) | Way::Pod(door, _) => door,
        Way::Container(_) => {
            return Err(Failure::Refused(format!(
                "sandbox {name} has no sandboxd to list its files; list them with `kubectl mote exec {name} 'ls -l'`"
            )));
        }
    };
    let listed = listed(&door, &path, args.form).await;
    let text = listed.map_err(|error| error.during(&format!("list {name}:{path}")))?;
    print(text.as_bytes()).await
}

fn place(text: &str) -> Result<(Name, WorkspacePath), String> {
    let (name, path) = text.split_once(':').unwrap_or((text, ""));
    let path = WorkspacePath::new(path).map_err(|why| format!("{text}: {why}"))?;
    Ok((name.parse()?, path))
}

async fn listed(door: &Door, path: &WorkspacePath, form: TextForm) -> Result<String, RestError> {
    let mut rest = door.rest().await?;
    let request = door.request(Method::GET, &path.url_path(), empty());
    let response = rest.answer(request.map_err(RestError::Lost)?).await?;
    if !is_listing(response.headers()) {
        let bytes = response.body().size_hint().lower();
        return Ok(of_file(path, bytes, response.headers(), form));
    }
    let listing: Listing = rest.value(response).await?;
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
            size(entry.size),
            entry.modified_at.clone(),
            format!("{}{slash}", entry.name),
        ]);
    }
    table.text()
}

/// What the headers say of a file, whose content is not read.
fn of_file(path: &WorkspacePath, bytes: u64, headers: &HeaderMap, form: TextForm) -> String {
    let modified = headers.get(LAST_MODIFIED).and_then(|at| at.to_str().ok());
    let (modified, name) = (
        modified.unwrap_or_default(),
        path.name().unwrap_or_default(),
    );
    if form == TextForm::Json {
        let entry = json!({ "name": name, "size": bytes, "type": "file", "modified": modified });
        return format!("{entry}\n");
    }
    let mut table = Table::new(&["SIZE", "MODIFIED", "NAME"]);
    table.row([size(bytes), modified.to_owned(), name.to_owned()]);
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_from_files_and_names_cannot_rewrite_the_terminal() {
        let listing: Listing = serde_json::from_str(
            r#"{"path":"/","entries":[
                {"name":"src","size":4096,"type":"directory","modified_at":"2026-01-02T03:04:05Z","mode":"0755"},
                {"name":"a\u001b[2J","size":7,"type":"file","modified_at":"2026-01-02T03:04:05Z","mode":"0644"}]}"#,
        )
        .unwrap();
        assert_eq!(
            of_folder(&listing),
            "MODE  SIZE      MODIFIED              NAME\n\
             0755  4.00 KiB  2026-01-02T03:04:05Z  src/\n\
             0644  7 B       2026-01-02T03:04:05Z  a[2J\n"
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

    #[test]
    fn a_place_is_a_sandbox_and_perhaps_a_folder() {
        let (name, path) = place("claim/c:src").unwrap();
        assert_eq!(
            (name.to_string(), path.to_string()),
            ("claim/c".to_owned(), "/workspace/src".to_owned())
        );
        assert_eq!(place("s").unwrap().1.to_string(), "/workspace");
        assert!(place("s:/etc").is_err());
    }
}
