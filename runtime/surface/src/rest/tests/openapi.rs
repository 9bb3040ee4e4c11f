use serde_json::Value;

use super::*;

/// Where routes are made; what is documented is held against what is there.
const SOURCES: [&str; 2] = [
    include_str!("../../rest.rs"),
    include_str!("../../contexts/rest.rs"),
];
/// Paths that are the same as `/v1/files/{path}`, or lead to it.
const ALIASES: [&str; 2] = ["/v1/files", "/v1/files/"];

async fn document() -> Value {
    let answer = send(&TestBackend::new(), "GET", "/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn each_route_is_documented() {
    let document = document().await;
    let routes = SOURCES
        .iter()
        .flat_map(|source| source.split(".route(").skip(1));
    let mut seen = 0;
    for route in routes {
        let path = route.split('"').nth(1).unwrap().replace("{*", "{");
        if !ALIASES.contains(&&*path) {
            assert!(document["paths"].get(&path).is_some(), "{path}");
            seen += 1;
        }
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), seen);
}

#[tokio::test]
async fn each_documented_method_is_routed_and_no_other() {
    let backend = TestBackend::new();
    for (path, item) in document().await["paths"].as_object().unwrap() {
        let target = path.replace("{path}", "x").replace("{name}", "x");
        for method in ["get", "put", "delete", "post", "patch"] {
            let answer = send(&backend, &method.to_uppercase(), &target).await;
            let routed = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(routed, item.get(method).is_some(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn each_reference_leads_somewhere() {
    let document = document().await;
    let text = document.to_string();
    let references: Vec<_> = text.split("\"$ref\":\"#").skip(1).collect();
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
