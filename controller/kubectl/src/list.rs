//! `kubectl mote ls`: files of a sandbox.

use http::Method;
use hyper::body::Body;
use mote_client::listing::{ListedFile, Listing, is_listing};
use mote_client::path::WorkspacePath;

use crate::args::{ListArgs, TextForm};
use crate::cluster::Cluster;
use crate::door::Door;
use crate::failure::Failure;
use crate::find::{Name, find};
use crate::print::print;
use crate::rest::{RestError, empty};
use crate::way::Way;

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
        let file = ListedFile::new(path, bytes, response.headers());
        return Ok(match form {
            TextForm::Json => file.json(),
            TextForm::Text => file.text(),
        });
    }
    let listing: Listing = rest.value(response).await?;
    Ok(match form {
        TextForm::Json => listing.json(),
        TextForm::Text => listing.text(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
