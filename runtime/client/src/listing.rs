//! Files of a sandbox, for people and as JSON.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, LAST_MODIFIED};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::path::WorkspacePath;
use crate::table::Table;
use crate::text::size;

/// A folder of a sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
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
pub fn is_listing(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

impl Listing {
    /// Columns for people.
    pub fn text(&self) -> String {
        let mut table = Table::new(&["MODE", "SIZE", "MODIFIED", "NAME"]);
        for entry in &self.entries {
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

    /// One line of JSON.
    pub fn json(&self) -> String {
        format!("{}\n", json!(self))
    }
}

/// A file, by what the headers say of it: its content is not read.
#[derive(Debug)]
pub struct ListedFile<'a> {
    name: &'a str,
    bytes: u64,
    modified: &'a str,
}

impl<'a> ListedFile<'a> {
    /// The file at `path`, of so many bytes.
    pub fn new(path: &'a WorkspacePath, bytes: u64, headers: &'a HeaderMap) -> Self {
        let modified = headers.get(LAST_MODIFIED).and_then(|at| at.to_str().ok());
        Self {
            name: path.name().unwrap_or_default(),
            bytes,
            modified: modified.unwrap_or_default(),
        }
    }

    /// Columns for people.
    pub fn text(&self) -> String {
        let mut table = Table::new(&["SIZE", "MODIFIED", "NAME"]);
        table.row([
            size(self.bytes),
            self.modified.to_owned(),
            self.name.to_owned(),
        ]);
        table.text()
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        let Self {
            name,
            bytes,
            modified,
        } = self;
        let entry = json!({ "name": name, "size": bytes, "type": "file", "modified": modified });
        format!("{entry}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What people read of a folder and a file of this name, as JSON has it.
    fn text_of(file: &str) -> String {
        let entries = r#"{"path":"/","entries":[
            {"name":"src","size":4096,"type":"directory","modified_at":"2026-01-02T03:04:05Z","mode":"0755"},
            {"name":"FILE","size":7,"type":"file","modified_at":"2026-01-02T03:04:05Z","mode":"0644"}]}"#;
        let listing: Listing = serde_json::from_str(&entries.replace("FILE", file)).unwrap();
        listing.text()
    }

    #[test]
    fn names_cannot_rewrite_the_terminal() {
        assert_eq!(
            text_of(r"a\u001b[2J"),
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
    fn folders_are_told_from_files() {
        assert_eq!(
            text_of("a b"),
            "MODE  SIZE      MODIFIED              NAME\n\
             0755  4.00 KiB  2026-01-02T03:04:05Z  src/\n\
             0644  7 B       2026-01-02T03:04:05Z  a b\n"
        );
    }
}
