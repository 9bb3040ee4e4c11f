//! A container of a pod, by what Kubernetes itself has: exec and logs.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};

use crate::cluster::{Denied, answer};
use crate::failure::Failure;

/// On pods: the container that is meant where none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Bytes of each stream that are under way: as much as the other side sends at
/// once, and a few times that.
const STREAM_BYTES: usize = 256 << 10;
/// 128 + SIGKILL: where nothing more is known of what ended a program.
const EXIT_UNKNOWN: u8 = 137;

/// A container.
#[derive(Clone)]
pub(crate) struct Container {
    pub(crate) pods: Api<Pod>,
    pub(crate) pod: String,
    name: Option<String>,
}

/// Which streams a program has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Streams {
    pub(crate) stdin: bool,
    pub(crate) terminal: bool,
}

impl Container {
    /// A container of a pod: the named one, or the one that is meant.
    pub(crate) fn new(pods: Api<Pod>, pod: &str, name: Option<&str>) -> Self {
        Self {
            pods,
            pod: pod.to_owned(),
            name: name.map(str::to_owned),
        }
    }

    /// Its name.
    pub(crate) async fn name(&self) -> Result<String, Failure> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let pod = answer(self.pods.get(&self.pod)).await;
        let pod = pod.map_err(|denied| self.denied(denied))?;
        meant(&pod).ok_or_else(|| Failure::Refused(format!("pod {} has no container", self.pod)))
    }

    /// Starts a program.
    pub(crate) async fn start(
        &self,
        command: &[String],
        streams: Streams,
    ) -> Result<AttachedProcess, Failure> {
        let params = AttachParams {
            container: Some(self.name().await?),
            stdin: streams.stdin,
            stdout: true,
            // A terminal has one stream of output.
            stderr: !streams.terminal,
            tty: streams.terminal,
            max_stdin_buf_size: Some(STREAM_BYTES),
            max_stdout_buf_size: Some(STREAM_BYTES),
            max_stderr_buf_size: Some(STREAM_BYTES),
        };
        let started = answer(self.pods.exec(&self.pod, command, &params)).await;
        started.map_err(|denied| self.denied(denied))
    }

    fn denied(&self, denied: Denied) -> Failure {
        let (pod, namespace) = (&self.pod, self.pods.namespace().unwrap_or_default());
        match denied {
            Denied::Missing => Failure::Refused(format!(
                "there is no pod {pod} in namespace {namespace}, or no such container in it; `kubectl describe pod {pod} -n {namespace}` tells more"
            )),
            Denied::Forbidden(why) => Failure::Refused(format!(
                "you may not use pod {pod} in namespace {namespace}: {why}; it takes the right to get pods, and to get and create pods/exec there"
            )),
            denied => denied.during(&format!("run in pod {pod}")),
        }
    }
}

/// The container that is meant where none is named.
fn meant(pod: &Pod) -> Option<String> {
    let annotations = pod.metadata.annotations.as_ref();
    let named = annotations.and_then(|it| it.get(DEFAULT_CONTAINER));
    let containers = &pod.spec.as_ref()?.containers;
    let is_there = |name: &&String| containers.iter().any(|it| it.name == **name);
    named
        .filter(is_there)
        .or_else(|| containers.first().map(|it| &it.name))
        .cloned()
}

/// What became of a program, by the last word of Kubernetes: its exit status,
/// or that it was not started.
pub(crate) fn exit_code(status: Option<&Status>) -> Result<u8, Failure> {
    let Some(status) = status else {
        return Err(Failure::Lost(
            "the connection broke, and nobody says what became of the program".to_owned(),
        ));
    };
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.as_ref().and_then(|it| it.causes.as_ref());
    let code = causes.into_iter().flatten();
    let code = code
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_ref()?.parse::<i32>().ok());
    if let Some(code) = code {
        // As the system does, which keeps the lowest byte.
        return Ok(code.to_le_bytes().first().copied().unwrap_or(EXIT_UNKNOWN));
    }
    Err(not_started(status.message.as_deref().unwrap_or_default()))
}

/// The runtime has no codes for it, only words, which are Linux's.
fn not_started(why: &str) -> Failure {
    let code = match why {
        why if why.contains("executable file not found") => 127,
        why if why.contains("no such file or directory") => 127,
        why if why.contains("permission denied") => 126,
        _ => return Failure::Lost(format!("the program was not run: {why}")),
    };
    Failure::Declined(why.to_owned(), code)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(status: Value) -> Result<u8, Failure> {
        exit_code(Some(&serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn an_exit_status_comes_among_the_causes() {
        assert!(matches!(status(json!({ "status": "Success" })), Ok(0)));
        let failed = json!({
            "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
            "details": { "causes": [{ "reason": "ExitCode", "message": "3" }] },
        });
        assert!(matches!(status(failed), Ok(3)));
        assert!(matches!(exit_code(None), Err(Failure::Lost(_))));
    }

    #[test]
    fn a_program_that_is_not_there_has_a_shells_status() {
        for (message, code) in [
            (
                "exec: \"nope\": executable file not found in $PATH: unknown",
                127,
            ),
            (
                "exec: \"./nope\": stat ./nope: no such file or directory: unknown",
                127,
            ),
            ("exec: \"/etc\": permission denied: unknown", 126),
        ] {
            let said = status(json!({ "status": "Failure", "message": message }));
            assert!(matches!(said, Err(Failure::Declined(_, it)) if it == code));
        }
        let other = status(json!({ "status": "Failure", "message": "disk on fire" }));
        assert!(matches!(other, Err(Failure::Lost(_))));
    }

    #[test]
    fn a_pod_may_say_which_container_is_meant() {
        let pod = |annotations: Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "annotations": annotations },
                "spec": { "containers": [{ "name": "a" }, { "name": "b" }] },
            }))
            .unwrap()
        };
        assert_eq!(meant(&pod(json!({}))).as_deref(), Some("a"));
        let named = json!({ DEFAULT_CONTAINER: "b" });
        assert_eq!(meant(&pod(named)).as_deref(), Some("b"));
        let gone = json!({ DEFAULT_CONTAINER: "c" });
        assert_eq!(meant(&pod(gone)).as_deref(), Some("a"));
    }
}
