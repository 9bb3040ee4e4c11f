//! What is asked of a server about its sandboxes.

use std::collections::BTreeMap;

use mote_api::{Sandbox, SandboxId, SandboxSpec};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;

use crate::client::api::{Api, ApiError};

const SANDBOXES: &str = "/v1/sandboxes";

/// Something that is done to a sandbox that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Suspend,
    Resume,
    Delete,
}

impl Act {
    /// The word for it, as in `failed to suspend work`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Delete => "delete",
        }
    }
}

impl Api {
    /// Creates a sandbox.
    pub(crate) async fn create(&self, spec: &SandboxSpec) -> Result<Sandbox, ApiError> {
        let request = self.request(Method::POST, self.url(SANDBOXES));
        self.json(request.json(spec)).await
    }

    /// Creates a sandbox with the files of another.
    pub(crate) async fn fork(
        &self,
        from: &SandboxId,
        spec: &SandboxSpec,
    ) -> Result<Sandbox, ApiError> {
        let request = self.of_sandbox(Method::POST, from, "/fork");
        self.json(request.json(spec)).await
    }

    /// The sandbox of this name.
    pub(crate) async fn sandbox(&self, id: &SandboxId) -> Result<Sandbox, ApiError> {
        self.json(self.of_sandbox(Method::GET, id, "")).await
    }

    /// The sandboxes that have all of `labels`.
    pub(crate) async fn sandboxes(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<Sandbox>, ApiError> {
        #[derive(Deserialize)]
        struct List {
            sandboxes: Vec<Sandbox>,
        }
        let mut url = self.url(SANDBOXES);
        for (name, value) in labels {
            let pair = format!("{name}={value}");
            url.query_pairs_mut().append_pair("label", &pair);
        }
        let list: List = self.json(self.request(Method::GET, url)).await?;
        Ok(list.sandboxes)
    }

    /// Does something to a sandbox.
    pub(crate) async fn act(&self, act: Act, id: &SandboxId) -> Result<(), ApiError> {
        let request = match act {
            Act::Suspend => self.of_sandbox(Method::POST, id, "/suspend"),
            Act::Resume => self.of_sandbox(Method::POST, id, "/resume"),
            Act::Delete => self.of_sandbox(Method::DELETE, id, ""),
        };
        self.answer(request).await.map(drop)
    }

    /// A request about one sandbox.
    pub(crate) fn of_sandbox(&self, method: Method, id: &SandboxId, rest: &str) -> RequestBuilder {
        self.request(method, self.url(&format!("{SANDBOXES}/{id}{rest}")))
    }
}
