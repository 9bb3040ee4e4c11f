//! What a session is made of beside its image, some of which other objects
//! say: ConfigMaps and Secrets.

use std::collections::BTreeMap;

use mote_rpc::v1::{self, SessionSpec};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::sandbox::apply::Hands;
use crate::sandbox::refusal::Trouble;
use crate::wasm::{
    Budget, Command, Missing, Sources, Wanted, expand, registry_credentials, resolve,
};

/// Most bytes of a command's words: what node hosts take.
const MAX_COMMAND_BYTES: usize = 64 << 10;

/// Mebibytes that sessions which are being made bring together. Each is there
/// four times for a moment: as it came, as it is sent, and on the way.
const MAX_LOAD: usize = 64;
/// The whole process has one memory.
static LOADS: Semaphore = Semaphore::const_new(MAX_LOAD);

/// Waits until there is room for what a session brings. To be held until its
/// node has it.
pub(super) async fn room(wanted: &Wanted) -> Option<SemaphorePermit<'static>> {
    let load = wanted.mebibytes();
    if load == 0 {
        return None;
    }
    // It is never closed.
    LOADS.acquire_many(load).await.ok()
}

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
        let command = command.map(|it| written_out(it, &env)).transpose()?;
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

/// A command with the values of the variables that it names.
fn written_out(
    Command { argv, restart }: &Command,
    env: &BTreeMap<String, String>,
) -> Result<v1::Command, Missing> {
    let mut budget = Budget::new("its command takes", MAX_COMMAND_BYTES);
    let mut words = Vec::with_capacity(argv.len());
    for word in argv {
        let word = expand(word, env, &budget)?;
        budget.take(word.len())?;
        words.push(word);
    }
    Ok(v1::Command {
        argv: words,
        restart: (*restart).into(),
    })
}

#[cfg(test)]
mod tests {
    use mote_rpc::v1::command::Restart;

    use super::*;

    #[test]
    fn a_command_that_names_a_long_variable_often_is_no_longer_than_any() {
        let env = BTreeMap::from([("A".to_owned(), "x".repeat(1 << 10))]);
        let naming = |times| Command {
            argv: vec!["$(A)".to_owned(); times],
            restart: Restart::Never,
        };
        assert_eq!(written_out(&naming(64), &env).unwrap().argv.len(), 64);
        let told = written_out(&naming(65), &env).unwrap_err().to_string();
        assert!(
            told.contains("its command takes more than 65536 bytes"),
            "{told}"
        );
    }
}
