//! The fields of its only container.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, SecurityContext,
    Volume as PodVolume, VolumeMount,
};

use mote_api::Grants;
use mote_rpc::rules::is_in_session;
use mote_rpc::v1::command::Restart;

use super::volumes::guest_path;
use super::{Command, PORTS, Reader, Wanted, empty, quoted, short};
use crate::wasm::env::{Env, EnvFrom, EnvValue, Variable};
use crate::wasm::images::{Origin, Programs};
use crate::wasm::source::{Source, SourceKind};

impl Reader<'_> {
    pub(super) fn container(&mut self, container: &Container, pod_volumes: &[PodVolume]) -> Wanted {
        let Container {
            args: _,    // Looked at together, below.
            command: _, // As above.
            env,
            env_from,
            image,
            image_pull_policy: _, // Means nothing: a node pulls what it does not have.
            lifecycle,
            liveness_probe: _, // Means nothing: the node knows whether a session serves.
            name: _,
            ports,
            readiness_probe: _, // As above.
            resize_policy: _,   // Means nothing: there is no process to restart.
            resources,
            restart_policy,
            restart_policy_rules,
            security_context,
            startup_probe: _,              // As above.
            stdin: _,                      // Means nothing where there is no command; below.
            stdin_once: _,                 // As above.
            termination_message_path: _,   // Means nothing: no status of a sandbox has it.
            termination_message_policy: _, // As above.
            tty: _,                        // As stdin.
            volume_devices,
            volume_mounts,
            working_dir,
        } = container;
        let at = |field: &str| format!("containers[0].{field}");
        self.none(
            at("lifecycle"),
            lifecycle
                .as_ref()
                .is_none_or(|it| *it == Default::default()),
            "hooks do not run in wasm sessions",
        );
        let pods = "is a pod's: sessions know the pod's restartPolicy";
        self.none(at("restartPolicy"), restart_policy.is_none(), pods);
        self.none(at("restartPolicyRules"), empty(restart_policy_rules), pods);
        self.none(
            at("volumeDevices"),
            empty(volume_devices),
            "are devices, which wasm sessions cannot have",
        );
        for (index, port) in ports.iter().flatten().enumerate() {
            self.port(&at(&format!("ports[{index}]")), port);
        }
        security_context
            .iter()
            .for_each(|context| self.security(context));
        let programs = self.image(image.as_deref().unwrap_or_default());
        let argv = self.command(container, &programs);
        let volumes = self.volumes(pod_volumes);
        let mounts = volume_mounts.as_deref().unwrap_or_default();
        let mut wanted = Wanted {
            env: Env {
                from: env_from
                    .iter()
                    .flatten()
                    .filter_map(|from| self.env_from(from))
                    .collect(),
                variables: self.variables(env.as_deref().unwrap_or_default()),
            },
            mounts: self.mounts(mounts, pod_volumes, &volumes),
            volumes,
            working_dir: self.working_dir(working_dir.as_deref(), mounts),
            image: programs.image,
            // The pod says what follows its end.
            command: argv.map(|argv| Command {
                argv,
                restart: Restart::Always,
            }),
            ..Wanted::default()
        };
        if let Some(resources) = resources {
            self.resources(resources, &mut wanted);
        }
        wanted
    }

    fn image(&mut self, image: &str) -> Programs {
        let programs = self.images.find(image);
        let known = programs.origin != Origin::Unknown || !self.must_know_image;
        if !known || image.is_empty() {
            let why = format!("{} is not known to be wasm; {}", quoted(image), self.images);
            self.object("containers[0].image", why);
        }
        programs
    }

    fn working_dir(&mut self, folder: Option<&str>, mounts: &[VolumeMount]) -> String {
        const FIELD: &str = "containers[0].workingDir";
        let Some(folder) = folder.filter(|it| !it.is_empty()) else {
            return String::new();
        };
        let Some(folder) = guest_path(folder) else {
            self.object(FIELD, "is no absolute path of a folder");
            return String::new();
        };
        let mounts = mounts.iter().filter_map(|it| guest_path(&it.mount_path));
        let held = is_in_session(&folder, &mounts.collect::<Vec<_>>());
        let why = format!(
            "is {}, which lies neither in /workspace or /tmp nor where a volume is mounted",
            quoted(folder.as_str())
        );
        self.none(FIELD, held, &why);
        folder.into()
    }

    fn port(&mut self, field: &str, port: &ContainerPort) {
        let ContainerPort {
            container_port,
            host_ip,
            host_port,
            name: _,
            protocol,
        } = port;
        if !PORTS.contains(container_port) {
            self.object(
                field,
                format!(
                    "is {container_port}, and a wasm session serves {}, {} and {}",
                    PORTS[0], PORTS[1], PORTS[2]
                ),
            );
        }
        self.none(
            format!("{field}.hostPort"),
            matches!(host_port, None | Some(0)) && host_ip.is_none(),
            "is not opened for wasm sessions",
        );
        self.none(
            format!("{field}.protocol"),
            matches!(protocol.as_deref(), None | Some("" | "TCP")),
            "is not TCP",
        );
    }

    fn security(&mut self, context: &SecurityContext) {
        let SecurityContext {
            allow_privilege_escalation: _, // Means nothing: there are no privileges to escalate to.
            app_armor_profile: _,          // As for pods.
            capabilities,
            privileged,
            proc_mount,
            read_only_root_filesystem: _, // Means nothing: a guest sees its own folders alone.
            run_as_group: _,
            run_as_non_root: _,
            run_as_user: _,
            se_linux_options: _,
            seccomp_profile: _,
            windows_options,
        } = context;
        let at = |field: &str| format!("containers[0].securityContext.{field}");
        let added = capabilities.as_ref().is_some_and(|it| !empty(&it.add));
        self.none(
            at("capabilities.add"),
            !added,
            "is not given to wasm sessions",
        );
        self.none(
            at("privileged"),
            *privileged != Some(true),
            "is not given to wasm sessions",
        );
        self.none(
            at("procMount"),
            matches!(proc_mount.as_deref(), None | Some("Default")),
            "is not given to wasm sessions",
        );
        self.none(
            at("windowsOptions"),
            windows_options.is_none(),
            "are not linux",
        );
    }

    fn variables(&mut self, variables: &[EnvVar]) -> Vec<Variable> {
        let variables = variables.iter().filter_map(|it| self.variable(it));
        let variables: Vec<_> = variables.collect();
        // As far as it is written down: what a dollar is in may become shorter.
        let written = variables.iter().map(|Variable { name, value }| {
            let value = match value {
                EnvValue::Text(text) if !text.contains('$') => text.clone(),
                _ => String::new(),
            };
            (name.clone(), value)
        });
        if let Err(error) = Grants::none().with_env(written) {
            let why = format!("cannot be given to programs: {error}");
            self.object("containers[0].env", why);
        }
        variables
    }

    fn variable(&mut self, variable: &EnvVar) -> Option<Variable> {
        let EnvVar {
            name,
            value,
            value_from,
        } = variable;
        let Some(source) = value_from else {
            return Some(Variable::text(name, value.as_deref().unwrap_or_default()));
        };
        let value = value_of(source);
        if value.is_none() {
            self.object(
                format!("containers[0].env[{}]", short(name)),
                "comes from what a wasm session does not have; write its value",
            );
        }
        Some(Variable {
            name: name.clone(),
            value: value?,
        })
    }

    fn env_from(&mut self, from: &EnvFromSource) -> Option<EnvFrom> {
        let EnvFromSource {
            config_map_ref,
            prefix,
            secret_ref,
        } = from;
        let (kind, name, optional) = match (config_map_ref, secret_ref) {
            (Some(map), None) => (SourceKind::ConfigMap, &map.name, map.optional),
            (None, Some(secret)) => (SourceKind::Secret, &secret.name, secret.optional),
            _ => {
                let why = "names not one ConfigMap or Secret";
                self.object("containers[0].envFrom", why);
                return None;
            }
        };
        Some(EnvFrom {
            source: Source {
                kind,
                name: name.clone(),
            },
            prefix: prefix.clone().unwrap_or_default(),
            optional: optional.unwrap_or_default(),
        })
    }
}

/// `None` for what a session does not have, and for two at once.
fn value_of(source: &EnvVarSource) -> Option<EnvValue> {
    let EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = source;
    if file_key_ref.is_some() || resource_field_ref.is_some() {
        return None;
    }
    let key = |kind, name: &str, key: &str, optional: Option<bool>| EnvValue::Key {
        source: Source {
            kind,
            name: name.to_owned(),
        },
        key: key.to_owned(),
        optional: optional.unwrap_or_default(),
    };
    match (field_ref, config_map_key_ref, secret_key_ref) {
        (Some(field), None, None) => EnvValue::of_field(&field.field_path),
        (None, Some(it), None) => Some(key(SourceKind::ConfigMap, &it.name, &it.key, it.optional)),
        (None, None, Some(it)) => Some(key(SourceKind::Secret, &it.name, &it.key, it.optional)),
        _ => None,
    }
}
