//! Whether a pod's specification can be honoured by a wasm session: every
//! field is honoured, means nothing there, or is objected to by name. Nothing
//! is ignored that its author would miss. `deploy/README.md` has the table.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, PodSecurityContext, PodSpec, ResourceRequirements,
    SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::env::{EnvValue, Variable};
use super::images::Images;
use crate::blueprint::quantity;
use crate::crd::SandboxBlueprint;

/// The ports that a wasm session serves: sandboxd's REST and gRPC, and
/// python-runtime's HTTP.
pub const PORTS: [i32; 3] = [8080, 9090, 8888];

/// What a wasm session is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Its programs: the name of an image that nodes know.
    pub image: String,
    /// Environment, in order: later variables may name earlier ones.
    pub env: Vec<Variable>,
    /// Memory of a call in bytes; 0 leaves it to the node.
    pub memory_bytes: u64,
    /// Share of processors in thousandths of one; 0 leaves it to the node.
    pub cpu_millis: u32,
    /// Files in bytes; 0 leaves it to the node.
    pub disk_bytes: u64,
    /// Where it may be.
    pub needs: Needs,
}

/// What a node has to be for a sandbox to go there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// This one and no other.
    pub node: Option<String>,
    /// One with these labels.
    pub labels: BTreeMap<String, String>,
    /// One whose taints these tolerate.
    pub tolerations: Vec<Toleration>,
}

/// A field that a wasm session cannot honour.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Objection {
    /// Where it stands.
    field: String,
    /// What about it.
    why: String,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.why)
    }
}

/// What a wasm session would be made from; `policed` says that a network
/// policy is to keep others from it.
///
/// # Errors
/// Every field that it could not honour.
pub fn classify(
    blueprint: &SandboxBlueprint,
    policed: bool,
    images: &Images,
) -> Result<Wanted, Vec<Objection>> {
    let mut reader = Reader::default();
    reader.none(
        "networkPolicy",
        !policed,
        "of the template is not enforced for wasm sessions yet; set networkPolicyManagement: Unmanaged to do without",
    );
    let SandboxBlueprint {
        pod_template,
        volume_claim_templates,
        service: _, // Honoured: the sandbox's own service leads to the session's address.
    } = blueprint;
    reader.none(
        "volumeClaimTemplates",
        volume_claim_templates.is_empty(),
        "a wasm session has files of its own and no volumes",
    );
    let wanted = reader.pod(&pod_template.spec, images);
    if reader.objections.is_empty() {
        Ok(wanted)
    } else {
        Err(reader.objections)
    }
}

#[derive(Default)]
struct Reader {
    objections: Vec<Objection>,
}

impl Reader {
    fn object(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.objections.push(Objection {
            field: field.into(),
            why: why.into(),
        });
    }

    /// Objects to a field that says something.
    fn none(&mut self, field: impl Into<String>, says_nothing: bool, why: &str) {
        if !says_nothing {
            self.object(field, why);
        }
    }

    fn pod(&mut self, pod: &PodSpec, images: &Images) -> Wanted {
        // Exhaustive: a field that Kubernetes adds is decided about or does not compile.
        let PodSpec {
            active_deadline_seconds,
            affinity,
            automount_service_account_token,
            containers,
            dns_config: _,           // Means nothing: guests look up no names.
            dns_policy: _,           // As above.
            enable_service_links: _, // As above.
            ephemeral_containers,
            host_aliases: _, // As above.
            host_ipc,
            host_network,
            host_pid,
            host_users: _, // Means nothing: guests have no users.
            hostname,
            hostname_override,
            image_pull_secrets: _, // Means nothing: built-in programs are not pulled.
            init_containers,
            node_name,
            node_selector,
            os,
            overhead: _,            // Means nothing: a session has none to speak of.
            preemption_policy: _,   // Means nothing: nothing is evicted for a session.
            priority: _,            // As above.
            priority_class_name: _, // As above.
            readiness_gates,
            resource_claims,
            resources,
            restart_policy: _, // Means nothing: there is no command that could end.
            runtime_class_name: _, // Decides, before this is asked.
            scheduler_name: _, // Means nothing: sessions are placed by this controller.
            scheduling_gates,
            scheduling_group,
            security_context,
            service_account,
            service_account_name,
            set_hostname_as_fqdn,
            share_process_namespace: _, // Means nothing with one container.
            subdomain,
            termination_grace_period_seconds: _, // Means nothing: there is no process to wait for.
            tolerations,
            topology_spread_constraints,
            volumes,
        } = pod;
        let absent = "has no meaning for a wasm session; leave it out";
        self.none(
            "activeDeadlineSeconds",
            active_deadline_seconds.is_none(),
            "is not kept by wasm sessions; use shutdownTime",
        );
        self.none(
            "affinity",
            affinity.as_ref().is_none_or(|it| *it == Default::default()),
            "is not weighed for wasm sessions; use nodeSelector",
        );
        self.none("ephemeralContainers", empty(ephemeral_containers), absent);
        for (field, asked) in [
            ("hostIPC", host_ipc),
            ("hostNetwork", host_network),
            ("hostPID", host_pid),
        ] {
            self.none(field, *asked != Some(true), "is not given to wasm sessions");
        }
        self.none(
            "hostnameOverride",
            hostname_override.is_none(),
            "is not kept by wasm sessions; use hostname",
        );
        self.none(
            "initContainers",
            empty(init_containers),
            "do not run for wasm sessions",
        );
        self.none(
            "os",
            os.as_ref().is_none_or(|os| os.name == "linux"),
            "is not linux",
        );
        self.none(
            "readinessGates",
            empty(readiness_gates),
            "are not waited for",
        );
        self.none(
            "resourceClaims",
            empty(resource_claims),
            "are devices, which wasm sessions cannot have",
        );
        self.none(
            "resources",
            resources.as_ref().is_none_or(says_nothing),
            "stand at the container for wasm sessions",
        );
        self.none(
            "schedulingGates",
            empty(scheduling_gates),
            "are not waited for",
        );
        self.none(
            "schedulingGroup",
            scheduling_group.is_none(),
            "is not kept: sessions are placed one by one",
        );
        self.none(
            "setHostnameAsFQDN",
            *set_hostname_as_fqdn != Some(true),
            absent,
        );
        self.none(
            "subdomain",
            subdomain.as_ref().is_none_or(String::is_empty),
            absent,
        );
        self.none(
            "topologySpreadConstraints",
            empty(topology_spread_constraints),
            "are not weighed for wasm sessions",
        );
        self.none(
            "volumes",
            empty(volumes),
            "cannot be mounted by wasm sessions yet",
        );
        self.token(
            *automount_service_account_token,
            service_account_name.as_ref().or(service_account.as_ref()),
        );
        security_context
            .iter()
            .for_each(|context| self.pod_security(context));
        let mut wanted = match containers.as_slice() {
            [only] => self.container(only, images),
            _ => {
                self.object(
                    "containers",
                    format!("are {} and a wasm session runs one", containers.len()),
                );
                Wanted::default()
            }
        };
        if let Some(hostname) = hostname.as_ref().filter(|name| !name.is_empty()) {
            wanted.env.insert(0, Variable::text("HOSTNAME", hostname));
        }
        wanted.needs = Needs {
            node: node_name.clone().filter(|name| !name.is_empty()),
            labels: node_selector.clone().unwrap_or_default(),
            tolerations: tolerations.clone().unwrap_or_default(),
        };
        wanted
    }

    /// A session never has a token; who did not ask for one does not miss it.
    fn token(&mut self, automount: Option<bool>, account: Option<&String>) {
        const WHY: &str =
            "a wasm session has no service account token; set automountServiceAccountToken: false";
        let account = account.is_some_and(|account| !matches!(account.as_str(), "" | "default"));
        match automount {
            Some(true) => self.object(
                "automountServiceAccountToken",
                "is true, and a wasm session has no token",
            ),
            None if account => self.object("serviceAccountName", WHY),
            Some(false) | None => {}
        }
    }

    fn pod_security(&mut self, context: &PodSecurityContext) {
        let PodSecurityContext {
            // Means nothing, all of it: guests have no users, labels or system
            // calls. What these fields forbid, no guest can do.
            app_armor_profile: _,
            fs_group: _,
            fs_group_change_policy: _,
            run_as_group: _,
            run_as_non_root: _,
            run_as_user: _,
            se_linux_change_policy: _,
            se_linux_options: _,
            seccomp_profile: _,
            supplemental_groups: _,
            supplemental_groups_policy: _,
            sysctls,
            windows_options,
        } = context;
        self.none(
            "securityContext.sysctls",
            empty(sysctls),
            "are a kernel's, and a wasm session has none",
        );
        self.none(
            "securityContext.windowsOptions",
            windows_options.is_none(),
            "are not linux",
        );
    }

    fn container(&mut self, container: &Container, images: &Images) -> Wanted {
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

    fn resources(&mut self, resources: &ResourceRequirements, wanted: &mut Wanted) {
        let ResourceRequirements {
            claims,
            limits,
            requests,
        } = resources;
        self.none(
            "containers[0].resources.claims",
            empty(claims),
            "are devices, which wasm sessions cannot have",
        );
        // A limit is what counts; where there is none, what was asked for.
        for (kind, amounts) in [("requests", requests), ("limits", limits)] {
            for (name, amount) in amounts.iter().flatten() {
                self.resource(
                    &format!("containers[0].resources.{kind}[{name}]"),
                    name,
                    amount,
                    wanted,
                );
            }
        }
    }

    fn resource(&mut self, field: &str, name: &str, amount: &Quantity, wanted: &mut Wanted) {
        const NANOS: i128 = 1_000_000_000;
        const NANOS_PER_MILLI: i128 = 1_000_000;
        let Some(nanos) = quantity::nanos(&amount.0).filter(|nanos| *nanos >= 0) else {
            return self.object(field, format!("{:?} is no quantity", amount.0));
        };
        // A part of a byte or of a thousandth is a whole one.
        let whole = |unit: i128| {
            u64::try_from(nanos.div_euclid(unit) + i128::from(nanos.rem_euclid(unit) > 0))
                .unwrap_or(u64::MAX)
        };
        match name {
            "memory" => wanted.memory_bytes = whole(NANOS),
            "cpu" => wanted.cpu_millis = u32::try_from(whole(NANOS_PER_MILLI)).unwrap_or(u32::MAX),
            "ephemeral-storage" => wanted.disk_bytes = whole(NANOS),
            _ => self.object(field, "is not what a wasm session can have"),
        }
    }
}

fn empty<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

fn says_nothing(resources: &ResourceRequirements) -> bool {
    *resources == ResourceRequirements::default()
}

#[cfg(test)]
mod tests;
