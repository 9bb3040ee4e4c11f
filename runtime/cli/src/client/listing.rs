//! `mote ls`.

use mote_api::SandboxId;
use mote_client::listing::{ListedFile, Listing, is_listing};
use reqwest::Method;

use crate::client::api::{Api, ApiError};
use crate::client::args::{ListArgs, TextForm};
use crate::client::parse;
use crate::client::place::Remote;
use crate::client::server::{self, Server};
use crate::failure::Failure;
use crate::{report, stop};

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
        let bytes = response.content_length().unwrap_or_default();
        let file = ListedFile::new(&remote.path, bytes, response.headers());
        return Ok(match form {
            TextForm::Json => file.json(),
            TextForm::Text => file.text(),
        });
    }
    let bytes = response.bytes().await.map_err(|error| api.lost(&error))?;
    let listing: Listing = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::Lost(format!("{remote}: the listing makes no sense: {error}"))
    })?;
    Ok(match form {
        TextForm::Json => listing.json(),
        TextForm::Text => listing.text(),
    })
}
