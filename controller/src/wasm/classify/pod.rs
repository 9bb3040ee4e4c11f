//! A pod's own fields.

use k8s_openapi::api::core::v1::{PodSecurityContext, PodSpec};

use mote_rpc::rules::MAX_DEADLINE_SECONDS;

use super::resources::says_nothing;
use super::{Needs, Reader, Wanted, command, empty};
use crate::wasm::env::Variable;

impl Reader<'_> {
    pub(super) fn pod(&mut self, pod: &PodSpec) -> Wanted {
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
            image_pull_secrets,
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
            restart_policy,
            runtime_class_name: _, // Decides, before this is asked.
            scheduler_name: _,     // Means nothing: sessions are placed by this controller.
            scheduling_gates,
            scheduling_group,
            security_context,
            service_account,
            service_account_name,
            set_hostname_as_fqdn,
            share_process_namespace: _, // Means nothing with one container.
            subdomain,
            termination_grace_period_seconds: _, // Means nothing: no signal can be caught, so none is waited for.
            tolerations,
            topology_spread_constraints,
            volumes,
        } = pod;
        let absent = "has no meaning for a wasm session; leave it out";
        let deadline = active_deadline_seconds.unwrap_or_default();
        let deadline = u64::try_from(deadline)
            .ok()
            .filter(|seconds| *seconds <= MAX_DEADLINE_SECONDS);
        self.none(
            "activeDeadlineSeconds",
            deadline.is_some(),
            &format!("is no number of seconds, which are {MAX_DEADLINE_SECONDS} at most"),
        );
        let restart = command::restart(restart_policy.as_deref());
        self.none(
            "restartPolicy",
            restart.is_some(),
            "is not one of Always, OnFailure and Never",
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
        self.token(
            *automount_service_account_token,
            service_account_name.as_ref().or(service_account.as_ref()),
        );
        security_context
            .iter()
            .for_each(|context| self.pod_security(context));
        let mut wanted = match containers.as_slice() {
            [only] => self.container(only, volumes.as_deref().unwrap_or_default()),
            _ => {
                self.object(
                    "containers",
                    format!("are {} and a wasm session runs one", containers.len()),
                );
                Wanted::default()
            }
        };
        wanted.active_deadline_seconds = deadline.unwrap_or_default();
        if let (Some(command), Some(restart)) = (&mut wanted.command, restart) {
            command.restart = restart;
        }
        if let Some(hostname) = hostname.as_ref().filter(|name| !name.is_empty()) {
            let hostname = Variable::text("HOSTNAME", hostname);
            wanted.env.variables.insert(0, hostname);
        }
        if self.images.find(&wanted.image).is_pulled() {
            let secrets = image_pull_secrets.iter().flatten();
            wanted.pull_secrets = secrets.map(|secret| secret.name.clone()).collect();
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
}
