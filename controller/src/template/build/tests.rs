use serde_json::{Value, json};

use super::*;

fn built(network_policy: Value) -> Value {
    let mut spec = json!({ "podTemplate": { "spec": { "containers": [] } } });
    if !network_policy.is_null() {
        spec["networkPolicy"] = network_policy;
    }
    let template: SandboxTemplate = serde_json::from_value(json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
        "metadata": { "name": "my-template", "namespace": "ns", "uid": "t-uid" },
        "spec": spec,
    }))
    .unwrap();
    serde_json::to_value(policy(&template)).unwrap()
}

#[test]
fn a_policy_is_owned_by_its_template_and_about_its_sandboxes() {
    let policy = built(Value::Null);
    assert_eq!(policy["metadata"]["name"], "my-template-network-policy");
    assert_eq!(policy["metadata"]["namespace"], "ns");
    let owner = &policy["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"]),
        (&json!("SandboxTemplate"), &json!("t-uid"))
    );
    assert_eq!(
        (&owner["controller"], &owner["blockOwnerDeletion"]),
        (&json!(true), &json!(true))
    );
    let about = json!({ "matchLabels": {
        "agents.x-k8s.io/sandbox-template-ref-hash": name_hash("my-template") } });
    assert_eq!(policy["spec"]["podSelector"], about);
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
}

#[test]
fn by_default_only_the_router_comes_in() {
    let ingress = &built(Value::Null)["spec"]["ingress"];
    // Both selectors in one peer: one alone would let in others.
    assert_eq!(
        *ingress,
        json!([{ "from": [{
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "agent-sandbox-system" } },
            "podSelector": { "matchLabels": { "app": "sandbox-router" } },
        }] }])
    );
}

#[test]
fn by_default_only_public_addresses_are_reached() {
    let egress = &built(Value::Null)["spec"]["egress"];
    assert_eq!(
        *egress,
        json!([{ "to": [
            { "ipBlock": { "cidr": "0.0.0.0/0", "except":
                ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"] } },
            { "ipBlock": { "cidr": "::/0", "except": ["fc00::/7", "fe80::/10"] } },
        ] }])
    );
}

#[test]
fn rules_of_the_template_replace_both_directions() {
    let policy = built(json!({ "egress": [{ "ports": [{ "port": 53, "protocol": "UDP" }] }] }));
    assert!(policy["spec"].get("ingress").is_none());
    assert_eq!(
        policy["spec"]["egress"],
        json!([{ "ports": [{ "port": 53, "protocol": "UDP" }] }])
    );
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
}

#[test]
fn a_policy_without_rules_denies_all() {
    let policy = built(json!({ "ingress": [], "egress": [] }));
    assert!(policy["spec"].get("ingress").is_none() && policy["spec"].get("egress").is_none());
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
}

#[test]
fn what_the_api_server_fills_in_changes_nothing() {
    let sent = built(json!({
        "ingress": [{ "from": [{ "podSelector": { "matchLabels": {} } }], "ports": [{ "port": 80 }] }],
        "egress": [{ "to": [] }, { "to": [{ "ipBlock": { "cidr": "1.0.0.0/8", "except": [] } }] }],
    }));
    assert_eq!(
        sent["spec"]["ingress"],
        json!([{ "from": [{ "podSelector": {} }], "ports": [{ "port": 80, "protocol": "TCP" }] }])
    );
    assert_eq!(
        sent["spec"]["egress"],
        json!([{}, { "to": [{ "ipBlock": { "cidr": "1.0.0.0/8" } }] }])
    );
    let spec: NetworkPolicySpec = serde_json::from_value(sent["spec"].clone()).unwrap();
    assert_eq!(normal(spec.clone()), spec);
}

#[test]
fn a_policy_is_found_by_its_templates_name_and_back() {
    assert_eq!(template_name(&policy_name("t")), Some("t"));
    assert_eq!(template_name("t"), None);
}
