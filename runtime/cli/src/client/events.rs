//! That something happened on a server, as it tells.

use reqwest::Method;
use tokio::sync::watch;

use crate::client::api::Api;

/// Notes each time something happened, as long as the server tells at `path`.
/// What it was is not read: whoever waits looks for themselves.
pub(crate) async fn watch(api: &Api, path: &str, happened: &watch::Sender<()>) {
    let request = api.request(Method::GET, api.url(path));
    if let Ok(mut events) = api.answer(request).await {
        // What happened before was not told.
        happened.send_replace(());
        while let Ok(Some(_)) = events.chunk().await {
            happened.send_replace(());
        }
    }
}
