//! The fields of its only container.

use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvVar, SecurityContext};

use super::{PORTS, Reader, Wanted, empty};
use crate::wasm::env::{EnvValue, Variable};
use crate::wasm::images::Images;

impl Reader {
    pub(super) fn container(&mut self, container: &Container, images: &Images) -> Wanted {
        let Container {
            args,
            command,
            env,
            env_from,
            image,
            image_pull_policy: _, // Means nothing: built-in programs are not pulled.
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
            stdin: _,                      // Means nothing: calls bring their own.
            stdin_once: _,                 // As above.
            termination_message_path: _,   // Means nothing: nothing ends.
            termination_message_policy: _, // As above.
            tty: _,                        // As above.
            volume_devices,
            volume_mounts,
            working_dir,
        } = container;
        const ENTRY: &str =
            "is not started by wasm sessions: they serve calls by themselves; leave it out";
        let at = |field: &str| format!("containers[0].{field}");
        self.none(at("command"), empty(command), ENTRY);
        self.none(at("args"), empty(args), ENTRY);
        self.none(
            at("envFrom"),
            empty(env_from),
            "is not read for wasm sessions yet; write the variables in env",
        );
        self.none(
            at("lifecycle"),
            lifecycle
                .as_ref()
                .is_none_or(|it| *it == Default::default()),
            "hooks do not run in wasm sessions",
        );
        self.none(at("restartPolicy"), restart_policy.is_none(), ENTRY);
        self.none(at("restartPolicyRules"), empty(restart_policy_rules), ENTRY);
        self.none(
            at("volumeDevices"),
            empty(volume_devices),
            "are devices, which wasm sessions cannot have",
        );
        self.none(
            at("volumeMounts"),
            empty(volume_mounts),
            "cannot be mounted by wasm sessions yet",
        );
        self.none(
            at("workingDir"),
            working_dir
                .as_ref()
                .is_none_or(|dir| dir.is_empty() || dir == "/workspace"),
            "is /workspace in wasm sessions",
        );
        for (index, port) in ports.iter().flatten().enumerate() {
            self.port(&at(&format!("ports[{index}]")), port);
        }
        security_context
            .iter()
            .for_each(|context| self.security(context));
        let mut wanted = Wanted {
            env: env
                .iter()
                .flatten()
                .filter_map(|variable| self.variable(variable))
                .collect(),
            image: self.image(image.as_deref().unwrap_or_default(), images),
            ..Wanted::default()
        };
        if let Some(resources) = resources {
            self.resources(resources, &mut wanted);
        }
        wanted
    }

    fn image(&mut self, image: &str, images: &Images) -> String {
        images.find(image).map(str::to_owned).unwrap_or_else(|| {
            self.object(
                "containers[0].image",
                format!("{image:?} is no wasm image; {images}"),
            );
            String::new()
        })
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

    fn variable(&mut self, variable: &EnvVar) -> Option<Variable> {
        let EnvVar {
            name,
            value,
            value_from,
        } = variable;
        let field = format!("containers[0].env[{name}]");
        let Some(source) = value_from else {
            return Some(Variable::text(name, value.as_deref().unwrap_or_default()));
        };
        let from_field = source
            .field_ref
            .as_ref()
            .and_then(|it| EnvValue::of_field(&it.field_path));
        if from_field.is_none() {
            self.object(
                field,
                "comes from what is not read for wasm sessions yet; write its value",
            );
        }
        Some(Variable {
            name: name.clone(),
            value: from_field?,
        })
    }
}
