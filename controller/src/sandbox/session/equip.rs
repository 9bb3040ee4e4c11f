//! What a session is made of beside its image, some of which other objects
//! say: ConfigMaps and Secrets.

use mote_rpc::v1::{self, SessionSpec};

use crate::sandbox::apply::Hands;
use crate::sandbox::refusal::Trouble;
use crate::wasm::{Command, Sources, Wanted, expand, registry_credentials, resolve};

impl Hands<'_> {
    /// Adds it to a session that is to begin. What is to stand still begins
    /// nothing that would need it.
    ///
    /// # Errors
    /// Something is not there, or the API server does not answer.
    pub(super) async fn equip(
        &self,
        spec: SessionSpec,
        wanted: &Wanted,
    ) -> Result<SessionSpec, Trouble> {
        if spec.suspended {
            return Ok(spec);
        }
        let Self { context, subject } = self;
        let object = &subject.sandbox.metadata;
        let sources = Sources::read(context, subject.namespace, wanted.sources()).await?;
        let env = wanted.env.resolve(object, &sources)?;
        let command = wanted.command.as_ref();
        let command = command.map(|Command { argv, restart }| v1::Command {
            argv: argv.iter().map(|word| expand(word, &env)).collect(),
            restart: (*restart).into(),
        });
        Ok(SessionSpec {
            command,
            env: env.into_iter().collect(),
            volumes: resolve(&wanted.volumes, object, &sources)?,
            mounts: wanted.mounts.clone(),
            working_dir: wanted.working_dir.clone(),
            registry_credentials: registry_credentials(&wanted.pull_secrets, &sources),
            ..spec
        })
    }
}
