mod commands;

use serde_json::{Value, json};

use super::*;
use crate::crd::PodTemplate;
use crate::wasm::volume::Content;

/// A blueprint whose only container has the programs of every node, changed by
/// what is merged into the pod and into the container.
fn blueprint(pod: Value, container: Value) -> SandboxBlueprint {
    let mut spec = json!({ "containers": [{ "name": "c", "image": "mote.dev/base" }] });
    merge(&mut spec["containers"][0], container);
    merge(&mut spec, pod);
    SandboxBlueprint {
        pod_template: PodTemplate {
            spec: serde_json::from_value(spec).unwrap(),
            ..PodTemplate::default()
        },
        ..SandboxBlueprint::default()
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

/// As deployed.
fn images() -> Images {
    let deployed = include_str!("../../../../deploy/images.yaml");
    Images::read(&serde_saphyr::from_str(deployed).unwrap()).unwrap()
}

fn wanted(blueprint: &SandboxBlueprint) -> Wanted {
    classify(blueprint, Class::Auto, &images()).unwrap()
}

fn told(blueprint: &SandboxBlueprint) -> Vec<String> {
    match classify(blueprint, Class::Auto, &images()) {
        Ok(_) => Vec::new(),
        Err(objections) => objections
            .iter()
            .map(|objection| objection.field.clone())
            .collect(),
    }
}

#[test]
fn the_upstream_runtime_template_is_honoured_as_it_stands() {
    let blueprint = blueprint(
        json!({ "restartPolicy": "OnFailure", "automountServiceAccountToken": false,
            "dnsPolicy": "None", "dnsConfig": { "nameservers": ["8.8.8.8"] },
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1000 } }),
        json!({ "image": "registry.k8s.io/agent-sandbox/python-runtime-sandbox:v0.1.0",
            "ports": [{ "containerPort": 8888 }],
            "readinessProbe": { "httpGet": { "path": "/", "port": 8888 } },
            "resources": { "requests": { "cpu": "250m", "memory": "512Mi", "ephemeral-storage": "512Mi" } },
            "securityContext": { "capabilities": { "drop": ["ALL"] }, "allowPrivilegeEscalation": false } }),
    );
    let wanted = classify(&blueprint, Class::Auto, &images()).unwrap();
    assert_eq!(
        (
            wanted.image.as_str(),
            wanted.cpu_millis,
            wanted.memory_bytes,
            wanted.disk_bytes
        ),
        ("mote.dev/base", 250, 512 << 20, 512 << 20)
    );
}

/// The names of the fields below this path in the definition of sandboxes.
fn fields_of(path: &str) -> Vec<String> {
    let definition = include_str!("../../../../deploy/crds/agents.x-k8s.io_sandboxes.yaml");
    let definition: Value = serde_saphyr::from_str(definition).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/podTemplate";
    let pod = definition.pointer(&format!("{schema}/properties/spec{path}/properties"));
    pod.unwrap().as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_field_of_a_pod_and_its_container_is_in_the_published_table() {
    let page = include_str!("../../../../deploy/README.md");
    let (_, table) = page.split_once("### Which pods can be sessions").unwrap();
    let (table, _) = table.split_once("\n### ").unwrap();
    // `priority…` stands for all that begin so.
    let told: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    let is_told = |field: &str| {
        told.iter().any(|told| match told.strip_suffix('…') {
            Some(beginning) => field.starts_with(beginning),
            None => *told == field,
        })
    };
    for path in [
        "",
        "/properties/containers/items",
        "/properties/containers/items/properties/volumeMounts/items",
        "/properties/containers/items/properties/resources",
    ] {
        let missing: Vec<_> = fields_of(path)
            .into_iter()
            .filter(|it| !is_told(it))
            .collect();
        assert!(missing.is_empty(), "{path}: {missing:?}");
    }
}

#[test]
fn every_field_of_a_pod_that_would_be_lost_is_named() {
    for (field, pod) in [
        (
            "activeDeadlineSeconds",
            json!({ "activeDeadlineSeconds": -1 }),
        ),
        (
            "activeDeadlineSeconds",
            json!({ "activeDeadlineSeconds": 1_i64 << 31 }),
        ),
        ("affinity", json!({ "affinity": { "nodeAffinity": {} } })),
        (
            "automountServiceAccountToken",
            json!({ "automountServiceAccountToken": true }),
        ),
        ("containers", json!({ "containers": [] })),
        (
            "ephemeralContainers",
            json!({ "ephemeralContainers": [{ "name": "e" }] }),
        ),
        ("hostIPC", json!({ "hostIPC": true })),
        ("hostNetwork", json!({ "hostNetwork": true })),
        ("hostPID", json!({ "hostPID": true })),
        ("hostnameOverride", json!({ "hostnameOverride": "h" })),
        (
            "initContainers",
            json!({ "initContainers": [{ "name": "i" }] }),
        ),
        ("os", json!({ "os": { "name": "windows" } })),
        (
            "readinessGates",
            json!({ "readinessGates": [{ "conditionType": "x" }] }),
        ),
        (
            "resourceClaims",
            json!({ "resourceClaims": [{ "name": "gpu" }] }),
        ),
        (
            "resources",
            json!({ "resources": { "limits": { "memory": "1Gi" } } }),
        ),
        (
            "schedulingGates",
            json!({ "schedulingGates": [{ "name": "g" }] }),
        ),
        (
            "securityContext.sysctls",
            json!({ "securityContext": { "sysctls": [{ "name": "a", "value": "b" }] } }),
        ),
        (
            "securityContext.windowsOptions",
            json!({ "securityContext": { "windowsOptions": {} } }),
        ),
        (
            "serviceAccountName",
            json!({ "serviceAccountName": "robot" }),
        ),
        ("setHostnameAsFQDN", json!({ "setHostnameAsFQDN": true })),
        ("subdomain", json!({ "subdomain": "s" })),
        (
            "topologySpreadConstraints",
            json!({ "topologySpreadConstraints":
            [{ "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" }] }),
        ),
    ] {
        assert_eq!(told(&blueprint(pod, json!({}))), [field], "{field}");
    }
}

#[test]
fn every_field_of_a_container_that_would_be_lost_is_named() {
    for (field, container) in [
        ("args", json!({ "args": ["a"] })),
        (
            "env[E]",
            json!({ "env": [{ "name": "E", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } }] }),
        ),
        ("env", json!({ "env": [{ "name": "a=b", "value": "1" }] })),
        ("env", json!({ "env": [{ "name": "E", "value": "a\0b" }] })),
        (
            "env",
            json!({ "env": [{ "name": "E", "value": "x".repeat(1 << 20) }] }),
        ),
        (
            "env[E]",
            json!({ "env": [{ "name": "E", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }] }),
        ),
        ("envFrom", json!({ "envFrom": [{ "prefix": "P" }] })),
        ("image", json!({ "image": "nginx" })),
        (
            "lifecycle",
            json!({ "lifecycle": { "preStop": { "sleep": { "seconds": 1 } } } }),
        ),
        ("ports[0]", json!({ "ports": [{ "containerPort": 80 }] })),
        (
            "ports[0].hostPort",
            json!({ "ports": [{ "containerPort": 8080, "hostPort": 1 }] }),
        ),
        (
            "ports[0].protocol",
            json!({ "ports": [{ "containerPort": 8080, "protocol": "UDP" }] }),
        ),
        (
            "resources.claims",
            json!({ "resources": { "claims": [{ "name": "gpu" }] } }),
        ),
        (
            "resources.limits[nvidia.com/gpu]",
            json!({ "resources": { "limits": { "nvidia.com/gpu": "1" } } }),
        ),
        (
            "resources.requests[memory]",
            json!({ "resources": { "requests": { "memory": "-1" } } }),
        ),
        ("restartPolicy", json!({ "restartPolicy": "Never" })),
        (
            "securityContext.capabilities.add",
            json!({ "securityContext": { "capabilities": { "add": ["NET_ADMIN"] } } }),
        ),
        (
            "securityContext.privileged",
            json!({ "securityContext": { "privileged": true } }),
        ),
        (
            "securityContext.procMount",
            json!({ "securityContext": { "procMount": "Unmasked" } }),
        ),
        (
            "volumeDevices",
            json!({ "volumeDevices": [{ "name": "d", "devicePath": "/d" }] }),
        ),
        (
            "volumeMounts[/v]",
            json!({ "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }),
        ),
        ("workingDir", json!({ "workingDir": "app" })),
        ("workingDir", json!({ "workingDir": "/a/../b" })),
        ("workingDir", json!({ "workingDir": "/" })),
        ("workingDir", json!({ "workingDir": "/app" })),
    ] {
        let whole = format!("containers[0].{field}");
        assert_eq!(
            told(&blueprint(json!({}), container)),
            [whole.as_str()],
            "{field}"
        );
    }
}

#[test]
fn what_means_nothing_for_a_guest_is_no_objection() {
    let blueprint = blueprint(
        json!({ "hostAliases": [{ "ip": "1.1.1.1" }], "hostUsers": false, "priorityClassName": "p",
            "shareProcessNamespace": true, "terminationGracePeriodSeconds": 1,
            "imagePullSecrets": [{ "name": "s" }], "runtimeClassName": "wasm" }),
        json!({ "stdin": true, "tty": true, "imagePullPolicy": "Always", "workingDir": "/workspace" }),
    );
    assert!(told(&blueprint).is_empty());
}

#[test]
fn all_objections_are_told_at_once() {
    let blueprint = blueprint(
        json!({ "hostNetwork": true, "volumes": [{ "name": "v" }] }),
        json!({ "ports": [{ "containerPort": 80 }] }),
    );
    assert_eq!(
        told(&blueprint),
        ["hostNetwork", "containers[0].ports[0]", "volumes[v]"]
    );
}

#[test]
fn a_limit_counts_before_a_request_and_parts_are_rounded_up() {
    let wanted = wanted(&with_resources(
        json!({ "limits": { "memory": "65536500m", "cpu": "0.0001" }, "requests": { "memory": "1" } }),
    ));
    assert_eq!((wanted.memory_bytes, wanted.cpu_millis), (65_537, 1));
}

fn with_resources(resources: Value) -> SandboxBlueprint {
    blueprint(json!({}), json!({ "resources": resources }))
}

#[test]
fn a_session_weighs_what_it_requests_as_a_pod_does() {
    for (limit, request, millis) in [
        (Some("2"), Some("100m"), 100),
        (Some("2"), None, 2_000),
        (None, Some("100m"), 100),
        (Some("2"), Some("0"), 0),
        (None, None, 0),
    ] {
        let amounts =
            |cpu: Option<&str>| cpu.map_or_else(|| json!({}), |cpu| json!({ "cpu": cpu }));
        let resources = json!({ "limits": amounts(limit), "requests": amounts(request) });
        let told = wanted(&with_resources(resources)).cpu_millis;
        assert_eq!(told, millis, "{limit:?} {request:?}");
    }
}

#[test]
fn no_more_is_asked_of_a_node_than_one_gives() {
    for (name, least, most, less, more) in [
        ("memory", "64Ki", "4Gi", "65535", "4294967297"),
        ("ephemeral-storage", "1", "16Gi", "1", "17179869185"),
    ] {
        let limited = |amount: &str| with_resources(json!({ "limits": { name: amount } }));
        for possible in ["0", least, most] {
            assert!(told(&limited(possible)).is_empty(), "{name} {possible}");
        }
        let field = format!("containers[0].resources.limits[{name}]");
        for wrong in [less, more, "8E"].iter().filter(|it| **it != least) {
            assert_eq!(told(&limited(wrong)), [field.as_str()], "{name} {wrong}");
        }
        // What does not count is nobody's ceiling.
        let both = json!({ "limits": { name: most }, "requests": { name: more } });
        assert!(told(&with_resources(both)).is_empty(), "{name}");
    }
}

#[test]
fn volume_claims_are_no_files_of_a_session() {
    let mut blueprint = blueprint(json!({}), json!({}));
    blueprint.volume_claim_templates.push(Default::default());
    assert_eq!(told(&blueprint), ["volumeClaimTemplates"]);
}

#[test]
fn the_host_name_is_a_variable_that_the_author_can_replace() {
    let blueprint = blueprint(
        json!({ "hostname": "h" }),
        json!({ "env": [{ "name": "HOSTNAME", "value": "mine" }] }),
    );
    let env = wanted(&blueprint).env;
    let env = env
        .resolve(&Default::default(), &Default::default())
        .unwrap();
    assert_eq!(env["HOSTNAME"], "mine");
}

#[test]
fn an_unknown_image_is_pulled_where_it_must_be_wasm_and_no_choice_waits_for_that() {
    let blueprint = blueprint(
        json!({ "imagePullSecrets": [{ "name": "s" }] }),
        json!({ "image": "r/acme/greet:1" }),
    );
    assert_eq!(told(&blueprint), ["containers[0].image"]);
    let wanted = classify(&blueprint, Class::Wasm, &images()).unwrap();
    assert_eq!(wanted.image, "r/acme/greet:1");
    assert_eq!(wanted.pull_secrets, ["s"]);
}

/// Volumes, and mounts of each at its path.
fn mounted(volumes: Value, mounts: Value) -> SandboxBlueprint {
    blueprint(
        json!({ "volumes": volumes }),
        json!({ "volumeMounts": mounts }),
    )
}

#[test]
fn volumes_of_files_and_folders_are_mounted() {
    let wanted = wanted(&mounted(
        json!([
            { "name": "dir", "emptyDir": {} },
            { "name": "conf", "configMap": { "name": "c", "items": [{ "key": "k", "path": "deep/k", "mode": 256 }] } },
            { "name": "keys", "secret": { "secretName": "s", "defaultMode": 256, "optional": true } },
            { "name": "all", "projected": { "sources": [{ "secret": { "name": "s" } },
                { "downwardAPI": { "items": [{ "path": "l", "fieldRef": { "fieldPath": "metadata.labels" } }] } }] } },
        ]),
        json!([
            { "name": "dir", "mountPath": "/data/" },
            { "name": "conf", "mountPath": "/etc/app", "subPath": "deep", "readOnly": true },
        ]),
    ));
    assert_eq!(wanted.volumes[0].content, Content::Empty { max_bytes: 0 });
    let sources = wanted.sources();
    let named: Vec<_> = sources.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["ConfigMap \"c\"", "Secret \"s\""]);
    let mounts = wanted.mounts.iter();
    let mounts: Vec<_> = mounts
        .map(|it| (it.path.as_str(), it.sub_path.as_str()))
        .collect();
    assert_eq!(mounts, [("/data", ""), ("/etc/app", "deep")]);
}

#[test]
fn programs_begin_in_a_folder_of_the_session() {
    let begins = |folder: &str| {
        let mut pod = json!({ "name": "c", "image": "mote.dev/base", "workingDir": folder });
        let mounts =
            json!([{ "name": "v", "mountPath": "/data/" }, { "name": "t", "mountPath": "/tmp" }]);
        merge(&mut pod, json!({ "volumeMounts": mounts }));
        let volumes = json!([{ "name": "v", "emptyDir": {} }, { "name": "t", "emptyDir": {} }]);
        blueprint(
            json!({ "volumes": volumes, "containers": [pod] }),
            json!({}),
        )
    };
    for folder in ["/workspace/", "/workspace/app", "/tmp", "/data", "/data/x"] {
        let told = wanted(&begins(folder)).working_dir;
        assert_eq!(told, folder.trim_end_matches('/'));
    }
    assert_eq!(told(&begins("/other")), ["containers[0].workingDir"]);
    assert_eq!(wanted(&begins("")).working_dir, "");
}

#[test]
fn mounts_that_cannot_be_there_together_are_named() {
    let volumes = json!([
        { "name": "v", "emptyDir": {} },
        { "name": "w", "emptyDir": {} },
        { "name": "conf", "configMap": { "name": "c" } },
    ]);
    let at = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let reading =
        |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
    for (one, other, named) in [
        (at("v", "/m"), at("w", "/m/n"), Some("/m/n")),
        (at("v", "/m/n"), at("w", "/m"), Some("/m")),
        (at("v", "/m"), at("w", "/mn"), None),
        (reading("v", "/a"), at("v", "/b"), Some("/b")),
        (reading("v", "/a"), reading("v", "/b"), None),
        (reading("v", "/a"), at("w", "/b"), None),
        (reading("conf", "/a"), at("conf", "/b"), None),
    ] {
        let named: Vec<_> = named
            .iter()
            .map(|path| format!("containers[0].volumeMounts[{path}]"))
            .collect();
        let both = mounted(volumes.clone(), json!([one, other]));
        assert_eq!(told(&both), named, "{one} {other}");
    }
}

#[test]
fn a_file_of_an_object_is_not_mounted_alone() {
    let at = |sub_path: &str, map: Value| {
        let volumes = json!([{ "name": "v", "configMap": map }]);
        let mount = json!({ "name": "v", "mountPath": "/v", "subPath": sub_path });
        told(&mounted(volumes, json!([mount])))
    };
    let items = json!({ "name": "c", "items": [{ "key": "k", "path": "deep/k" }] });
    assert!(at("deep", items.clone()).is_empty());
    let named = ["containers[0].volumeMounts[/v].subPath"];
    assert_eq!(at("deep/k", items.clone()), named);
    assert_eq!(at("dee", items), named);
    assert_eq!(at("key", json!({ "name": "c" })), named);
}

#[test]
fn an_empty_folder_over_a_sessions_own_is_that() {
    let dir = json!([{ "name": "v", "emptyDir": {} }]);
    let at = |path: &str| json!([{ "name": "v", "mountPath": path }]);
    for own in ["/workspace", "/tmp/"] {
        assert!(
            wanted(&mounted(dir.clone(), at(own))).mounts.is_empty(),
            "{own}"
        );
    }
}

#[test]
fn a_size_limit_is_the_volumes_own_wherever_that_is() {
    let sized = |limit: &str| json!([{ "name": "v", "emptyDir": { "sizeLimit": limit } }]);
    let at = |path: &str| json!([{ "name": "v", "mountPath": path }]);
    for (limit, max_bytes) in [
        ("0", 0),
        ("1", 1),
        ("1Mi", 1 << 20),
        ("1500m", 2),
        ("20E", u64::MAX),
    ] {
        let wanted = wanted(&mounted(sized(limit), at("/data")));
        assert_eq!(wanted.volumes[0].content, Content::Empty { max_bytes });
        let told = crate::wasm::resolve(&wanted.volumes, &Default::default(), &Default::default());
        let dir = mote_rpc::v1::EmptyDir {
            size_bytes: max_bytes,
        };
        let source = Some(mote_rpc::v1::volume::Source::EmptyDir(dir));
        assert_eq!(told.unwrap()[0].source, source, "{limit}");
    }
    // Over a folder that sessions have anyway, it is that folder's.
    for own in ["/workspace", "/tmp/"] {
        let wanted = wanted(&mounted(sized("1Mi"), at(own)));
        let told = (
            wanted.mounts[0].volume.as_str(),
            wanted.mounts[0].path.as_str(),
        );
        assert_eq!(told, ("v", own.trim_end_matches('/')));
    }
}

#[test]
fn a_folder_that_sessions_have_anyway_is_no_other_folder_too() {
    let mounts = json!([
        { "name": "v", "mountPath": "/workspace" },
        { "name": "v", "mountPath": "/data" },
    ]);
    for dir in [json!({}), json!({ "sizeLimit": "1Mi" })] {
        let volumes = json!([{ "name": "v", "emptyDir": dir }]);
        assert_eq!(
            told(&mounted(volumes, mounts.clone())),
            ["containers[0].volumeMounts[/workspace]"]
        );
    }
    let two = json!([
        { "name": "v", "emptyDir": {} },
        { "name": "w", "emptyDir": { "sizeLimit": "1Mi" } },
    ]);
    let twice = json!([
        { "name": "v", "mountPath": "/tmp" },
        { "name": "w", "mountPath": "/tmp/" },
    ]);
    assert_eq!(
        told(&mounted(two, twice)),
        ["containers[0].volumeMounts[/tmp/]"]
    );
}

#[test]
fn volumes_and_mounts_that_would_be_lost_are_named() {
    for (field, volume) in [
        ("volumes[v]", json!({ "hostPath": { "path": "/" } })),
        (
            "volumes[v]",
            json!({ "emptyDir": {}, "nfs": { "server": "s", "path": "/" } }),
        ),
        (
            "volumes[v]",
            json!({ "emptyDir": {}, "secret": { "secretName": "s" } }),
        ),
        (
            "volumes[v].emptyDir.medium",
            json!({ "emptyDir": { "medium": "Memory" } }),
        ),
        (
            "volumes[v].emptyDir.sizeLimit",
            json!({ "emptyDir": { "sizeLimit": "-1Gi" } }),
        ),
        (
            "volumes[v].emptyDir.sizeLimit",
            json!({ "emptyDir": { "sizeLimit": "much" } }),
        ),
        (
            "volumes[v]",
            json!({ "configMap": { "name": "c", "items": [{ "key": "k", "path": "../k" }] } }),
        ),
        (
            "volumes[v]",
            json!({ "secret": { "secretName": "s", "defaultMode": 4095 } }),
        ),
        (
            "volumes[v].projected[0]",
            json!({ "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }),
        ),
        (
            "volumes[v][ip]",
            json!({ "downwardAPI": { "items": [{ "path": "ip", "fieldRef": { "fieldPath": "status.podIP" } }] } }),
        ),
    ] {
        let mut named = json!({ "name": "v" });
        merge(&mut named, volume.clone());
        assert_eq!(
            told(&mounted(json!([named]), json!([]))),
            [field],
            "{volume}"
        );
    }
    for name in ["../up", "V", "", &"v".repeat(64)] {
        let volumes = json!([{ "name": name, "emptyDir": {} }]);
        let field = format!("volumes[{name}]");
        assert_eq!(told(&mounted(volumes, json!([]))), [field], "{name}");
    }
    let same = json!([{ "name": "v", "emptyDir": {} }, { "name": "v", "emptyDir": {} }]);
    assert_eq!(told(&mounted(same, json!([]))), ["volumes[v]"]);
    for (field, mount) in [
        ("[/v]", json!({ "name": "other", "mountPath": "/v" })),
        ("[v]", json!({ "name": "v", "mountPath": "v" })),
        ("[/]", json!({ "name": "v", "mountPath": "/" })),
        ("[/a/../b]", json!({ "name": "v", "mountPath": "/a/../b" })),
        (
            "[/workspace/x]",
            json!({ "name": "v", "mountPath": "/workspace/x" }),
        ),
        (
            "[/v].subPath",
            json!({ "name": "v", "mountPath": "/v", "subPath": "../x" }),
        ),
        (
            "[/v].subPathExpr",
            json!({ "name": "v", "mountPath": "/v", "subPathExpr": "$(A)" }),
        ),
        (
            "[/v].mountPropagation",
            json!({ "name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional" }),
        ),
        (
            "[/v].recursiveReadOnly",
            json!({ "name": "v", "mountPath": "/v", "recursiveReadOnly": "Enabled" }),
        ),
    ] {
        let volumes = json!([{ "name": "v", "emptyDir": {} }]);
        let whole = format!("containers[0].volumeMounts{field}");
        assert_eq!(told(&mounted(volumes, json!([mount]))), [whole], "{mount}");
    }
    let twice = json!([{ "name": "v", "mountPath": "/v" }, { "name": "v", "mountPath": "/v/" }]);
    let volumes = json!([{ "name": "v", "emptyDir": {} }]);
    assert_eq!(
        told(&mounted(volumes, twice)),
        ["containers[0].volumeMounts[/v/]"]
    );
}

#[test]
fn a_session_that_needs_too_many_other_objects_is_objected_to() {
    let maps = |count: usize| {
        let maps = (0..count).map(|n| json!({ "configMapRef": { "name": format!("c{n}") } }));
        blueprint(json!({}), json!({ "envFrom": maps.collect::<Vec<_>>() }))
    };
    assert!(told(&maps(MAX_SOURCES)).is_empty());
    assert_eq!(
        told(&maps(MAX_SOURCES + 1)),
        ["env, volumes and imagePullSecrets"]
    );
}

#[test]
fn what_is_written_in_its_object_makes_no_session_wait() {
    let env = |value: &str| Wanted {
        env: crate::wasm::env::Env {
            variables: vec![crate::wasm::env::Variable::text("A", value)],
            ..crate::wasm::env::Env::default()
        },
        ..Wanted::default()
    };
    assert_eq!(env("1").mebibytes(), 0);
    assert_eq!(env("$(B)").mebibytes(), 1);
    let secrets = |count| Wanted {
        pull_secrets: (0..count).map(|n: u32| n.to_string()).collect(),
        ..Wanted::default()
    };
    assert_eq!(secrets(2).mebibytes(), 2);
    assert_eq!(secrets(32).mebibytes(), 8);
}
