//! `mote ps`, `mote suspend`, `mote resume` and `mote rm`.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use mote_api::{Sandbox, SandboxId};
use serde_json::json;

use crate::client::api::Api;
use crate::client::args::{NamesArgs, PsArgs, RemoveArgs, ServerArgs, TableForm};
use crate::client::request::Act;
use crate::client::server::{self, Server};
use crate::client::{parse, table};
use crate::failure::Failure;
use crate::{report, stop};

/// Lists sandboxes.
pub(crate) fn list(args: PsArgs) -> Result<u8, Failure> {
    let (server, labels) = checked(&args.server, &args.labels).map_err(Failure::Usage)?;
    let found = stop::until_signal(async { select(&Api::new(server)?, &labels).await })?;
    match args.form {
        TableForm::Name => {
            let names: String = found
                .iter()
                .map(|found| format!("{}\n", found.id))
                .collect();
            report::print(names.as_bytes())?;
        }
        TableForm::Json => {
            let value = serde_json::to_value(found).context("failed to write JSON")?;
            report::print_json(&json!({ "sandboxes": value }))?;
        }
        form @ (TableForm::Table | TableForm::Wide) => {
            let table = table::sandboxes(&found, Timestamp::now(), form == TableForm::Wide);
            report::print(table.text().as_bytes())?;
        }
    }
    Ok(0)
}

/// Suspends sandboxes.
pub(crate) fn suspend(args: NamesArgs) -> Result<u8, Failure> {
    act_on(Act::Suspend, &args.ids, &args.server)
}

/// Resumes sandboxes.
pub(crate) fn resume(args: NamesArgs) -> Result<u8, Failure> {
    act_on(Act::Resume, &args.ids, &args.server)
}

/// Deletes sandboxes.
pub(crate) fn remove(args: RemoveArgs) -> Result<u8, Failure> {
    if !args.all && args.labels.is_empty() {
        return act_on(Act::Delete, &args.ids, &args.server);
    }
    let (server, labels) = checked(&args.server, &args.labels).map_err(Failure::Usage)?;
    on_each(Act::Delete, server, async |api| {
        let found = select(api, &labels).await?;
        Ok(found.into_iter().map(|sandbox| sandbox.id).collect())
    })
}

/// The server, and the labels that sandboxes must have.
pub(crate) fn checked(
    server: &ServerArgs,
    labels: &[String],
) -> Result<(Server, BTreeMap<String, String>), Vec<String>> {
    let mut mistakes = Vec::new();
    let labels = parse::labels(labels, &mut mistakes);
    let server = server::server(server, &mut mistakes);
    parse::checked(server.map(|server| (server, labels)), mistakes)
}

/// The sandboxes that have all of `labels`.
pub(crate) async fn select(
    api: &Api,
    labels: &BTreeMap<String, String>,
) -> Result<Vec<Sandbox>, Failure> {
    let found = api.sandboxes(labels).await;
    found.map_err(|error| error.during("list sandboxes"))
}

fn act_on(act: Act, ids: &[String], server: &ServerArgs) -> Result<u8, Failure> {
    let mut mistakes = Vec::new();
    let ids = parse::ids(ids, &mut mistakes);
    let server = server::server(server, &mut mistakes);
    let (server, ids) =
        parse::checked(server.map(|server| (server, ids)), mistakes).map_err(Failure::Usage)?;
    on_each(act, server, async |_| Ok(ids))
}

/// Does it to each, whatever becomes of the others, and prints whom it befell.
fn on_each(
    act: Act,
    server: Server,
    ids: impl AsyncFnOnce(&Api) -> Result<Vec<SandboxId>, Failure>,
) -> Result<u8, Failure> {
    stop::until_signal(async {
        let api = Api::new(server)?;
        let mut problems = Vec::new();
        for id in ids(&api).await? {
            let done = api.act(act, &id).await;
            match done.map_err(|error| error.during(&format!("{} {id}", act.word()))) {
                Ok(()) => report::print(format!("{id}\n").as_bytes())?,
                Err(Failure::Refused(why)) => problems.extend(why),
                Err(failure) => return Err(failure),
            }
        }
        match problems.as_slice() {
            [] => Ok(0),
            _ => Err(Failure::Refused(problems)),
        }
    })
}
