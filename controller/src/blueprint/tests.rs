use serde_json::{Value, json};

use super::*;

fn template(value: Value) -> SandboxTemplateSpec {
    serde_json::from_value(value).unwrap()
}

fn blueprint(pod: Value) -> SandboxBlueprint {
    serde_json::from_value(json!({ "podTemplate": { "spec": pod } })).unwrap()
}

fn container(fields: Value) -> SandboxBlueprint {
    let mut container = json!({ "name": "main", "image": "busybox:1.36" });
    container
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    blueprint(json!({ "containers": [container] }))
}

fn nameservers(blueprint: &SandboxBlueprint) -> Vec<String> {
    let dns = blueprint
        .pod_template
        .spec
        .dns_config
        .clone()
        .unwrap_or_default();
    dns.nameservers.unwrap_or_default()
}

#[test]
fn a_template_that_says_nothing_has_no_token_and_public_resolvers() {
    let safe = secure_defaults(&template(
        json!({ "podTemplate": { "spec": { "containers": [] } } }),
    ));
    let pod = &safe.pod_template.spec;
    assert_eq!(pod.automount_service_account_token, Some(false));
    assert_eq!(pod.dns_policy.as_deref(), Some("None"));
    assert_eq!(nameservers(&safe), ["8.8.8.8", "1.1.1.1"]);
}

#[test]
fn what_a_template_says_stays() {
    let safe = secure_defaults(&template(json!({ "podTemplate": { "spec": {
        "containers": [], "automountServiceAccountToken": true, "dnsPolicy": "ClusterFirst"
    } } })));
    assert_eq!(
        safe.pod_template.spec.automount_service_account_token,
        Some(true)
    );
    assert_eq!(
        safe.pod_template.spec.dns_policy.as_deref(),
        Some("ClusterFirst")
    );
    assert!(safe.pod_template.spec.dns_config.is_none());
}

#[test]
fn resolvers_of_the_template_stay() {
    let safe = secure_defaults(&template(json!({ "podTemplate": { "spec": {
        "containers": [], "dnsConfig": { "nameservers": ["9.9.9.9"], "searches": ["example.com"] }
    } } })));
    assert_eq!(safe.pod_template.spec.dns_policy.as_deref(), Some("None"));
    assert_eq!(nameservers(&safe), ["9.9.9.9"]);
}

#[test]
fn only_the_default_network_policy_needs_other_resolvers() {
    for own in [
        json!({ "networkPolicyManagement": "Unmanaged" }),
        json!({ "networkPolicy": {} }),
    ] {
        let mut spec = json!({ "podTemplate": { "spec": { "containers": [] } } });
        spec.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        let safe = secure_defaults(&template(spec));
        assert_eq!(safe.pod_template.spec.dns_policy, None);
        assert_eq!(
            safe.pod_template.spec.automount_service_account_token,
            Some(false)
        );
    }
}

#[test]
fn a_blueprint_always_has_the_same_hash() {
    let one = container(json!({}));
    assert_eq!(hash(&one), hash(&one.clone()));
    assert_eq!(hash(&one).len(), 8);
}

#[test]
fn every_part_of_a_blueprint_counts_in_its_hash() {
    let plain = container(json!({}));
    let mut labelled = plain.clone();
    labelled
        .pod_template
        .metadata
        .labels
        .insert("a".into(), "b".into());
    let mut served = plain.clone();
    served.service = Some(true);
    let mut claimed = plain.clone();
    claimed.volume_claim_templates.push(Default::default());
    let image = container(json!({ "image": "busybox:1.37" }));
    let mut hashes: Vec<_> = [plain, labelled, served, claimed, image]
        .iter()
        .map(hash)
        .collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 5);
}

#[test]
fn another_image_is_another_sandbox() {
    assert!(!same(
        &container(json!({})),
        &container(json!({ "image": "busybox:1.37" }))
    ));
}

#[test]
fn labels_and_annotations_make_no_other_sandbox() {
    let mut other = container(json!({}));
    other
        .pod_template
        .metadata
        .labels
        .insert("a".into(), "b".into());
    other
        .pod_template
        .metadata
        .annotations
        .insert("c".into(), "d".into());
    assert!(same(&container(json!({})), &other));
}

#[test]
fn labels_of_a_volume_claim_make_no_other_sandbox() {
    let claim = |labels: Value, size: &str| -> SandboxBlueprint {
        serde_json::from_value(json!({ "podTemplate": { "spec": { "containers": [] } },
            "volumeClaimTemplates": [{ "metadata": { "name": "data", "labels": labels },
                "spec": { "resources": { "requests": { "storage": size } } } }] }))
        .unwrap()
    };
    assert!(same(
        &claim(json!({}), "1Gi"),
        &claim(json!({ "a": "b" }), "1024Mi")
    ));
    assert!(!same(&claim(json!({}), "1Gi"), &claim(json!({}), "2Gi")));
}

#[test]
fn volume_claims_in_another_order_are_another_sandbox() {
    let claims = |names: [&str; 2]| -> SandboxBlueprint {
        let claims = names.map(|name| json!({ "metadata": { "name": name }, "spec": {} }));
        serde_json::from_value(json!({ "podTemplate": { "spec": { "containers": [] } },
            "volumeClaimTemplates": claims }))
        .unwrap()
    };
    assert!(!same(&claims(["a", "b"]), &claims(["b", "a"])));
    assert!(same(&claims(["a", "b"]), &claims(["a", "b"])));
}

#[test]
fn service_wanted_unwanted_and_unsaid_are_three_things() {
    let with = |service| SandboxBlueprint {
        service,
        ..container(json!({}))
    };
    for (one, other) in [
        (None, Some(false)),
        (None, Some(true)),
        (Some(false), Some(true)),
    ] {
        assert!(!same(&with(one), &with(other)));
    }
}

#[test]
fn what_the_api_server_fills_in_makes_no_other_sandbox() {
    let terse = blueprint(json!({
        "containers": [{
            "name": "main", "image": "busybox",
            "ports": [{ "containerPort": 80 }],
            "env": [{ "name": "A" }, { "name": "B", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
            "resources": { "limits": { "cpu": "1" } },
            "readinessProbe": { "httpGet": { "port": 80 } },
        }],
        "volumes": [{ "name": "s", "secret": { "secretName": "s" } }],
    }));
    let filled = blueprint(json!({
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30, "enableServiceLinks": true, "securityContext": {},
        "hostNetwork": false, "nodeSelector": {}, "tolerations": [],
        "containers": [{
            "name": "main", "image": "busybox", "imagePullPolicy": "Always",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "ports": [{ "containerPort": 80, "protocol": "TCP" }],
            "env": [{ "name": "A", "value": "" },
                { "name": "B", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } } }],
            "resources": { "limits": { "cpu": "1000m" }, "requests": { "cpu": 1 } },
            "readinessProbe": { "httpGet": { "port": 80, "path": "/", "scheme": "HTTP" },
                "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3 },
        }],
        "volumes": [{ "name": "s", "secret": { "secretName": "s", "defaultMode": 420 } }],
    }));
    assert!(same(&terse, &filled));
    assert_ne!(hash(&terse), hash(&filled));
}

#[test]
fn what_looks_like_a_default_elsewhere_is_none() {
    // A sidecar is an init container that is always restarted.
    let init = |fields: Value| blueprint(json!({ "containers": [], "initContainers": [fields] }));
    assert!(!same(
        &init(json!({ "name": "a" })),
        &init(json!({ "name": "a", "restartPolicy": "Always" }))
    ));
    // Users' keys are theirs.
    let select = |selector: Value| blueprint(json!({ "containers": [], "nodeSelector": selector }));
    assert!(!same(&select(json!({})), &select(json!({ "env": "" }))));
}

#[test]
fn an_empty_selector_is_not_an_absent_one() {
    let spread = |selector: Value| {
        let mut constraint =
            json!({ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" });
        constraint
            .as_object_mut()
            .unwrap()
            .extend(selector.as_object().unwrap().clone());
        blueprint(json!({ "containers": [], "topologySpreadConstraints": [constraint] }))
    };
    assert!(!same(
        &spread(json!({})),
        &spread(json!({ "labelSelector": {} }))
    ));
    assert!(same(
        &spread(json!({ "labelSelector": {} })),
        &spread(json!({ "labelSelector": { "matchLabels": {} } }))
    ));
}

#[test]
fn the_pull_policy_is_implied_by_the_tag() {
    let pulled =
        |image: &str, policy: &str| container(json!({ "image": image, "imagePullPolicy": policy }));
    let unsaid = |image: &str| container(json!({ "image": image }));
    for (image, policy) in [
        ("busybox", "Always"),
        ("host:5000/busybox", "Always"),
        ("host:5000/busybox:latest", "Always"),
        ("busybox:1", "IfNotPresent"),
        ("busybox@sha256:00", "IfNotPresent"),
    ] {
        assert!(same(&pulled(image, policy), &unsaid(image)), "{image}");
        assert!(!same(&pulled(image, "Never"), &unsaid(image)), "{image}");
    }
}

#[test]
fn an_older_name_of_a_field_means_the_same() {
    let account = |field: &str| blueprint(json!({ "containers": [], field: "me" }));
    assert!(same(
        &account("serviceAccount"),
        &account("serviceAccountName")
    ));
}

#[test]
fn a_request_below_its_limit_counts() {
    let request = |cpu: &str| {
        container(json!({ "resources": { "limits": { "cpu": "1" }, "requests": { "cpu": cpu } } }))
    };
    assert!(!same(&request("1"), &request("500m")));
}
