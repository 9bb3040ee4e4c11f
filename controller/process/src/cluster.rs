//! The way to the API server.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// A connection on which nothing comes for this long is dead, and what waits on
/// it fails and is tried again. The quietest watch has a bookmark every minute
/// or so; without this, a pass waits for an API server that is gone until the
/// kernel gives up, a quarter of an hour later.
const QUIET: Duration = Duration::from_secs(3 * 60);

/// That of a kubeconfig, or what the environment offers: `KUBECONFIG`, the
/// user's own, the pod's service account.
///
/// # Errors
/// There is none, or it cannot be read.
pub async fn config(file: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = match file {
        None => Config::infer()
            .await
            .context("no cluster: give --kubeconfig, set KUBECONFIG, or run in a pod")?,
        Some(file) => {
            let config = Kubeconfig::read_from(file)
                .with_context(|| format!("kubeconfig {}", file.display()))?;
            Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?
        }
    };
    config.read_timeout = Some(QUIET);
    config.reset_reader_on_write = true;
    Ok(config)
}
