use k8s_openapi::api::core::v1::ContainerPort;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::*;
use crate::crd::Sandbox;
use crate::names::{label, name_hash};
use crate::sandbox::build;
use crate::sandbox::fixtures::{map, owned_by, sandbox, service, shared, subject, with};

fn port(number: i32, protocol: Option<&str>, name: Option<&str>) -> ContainerPort {
    ContainerPort {
        container_port: number,
        protocol: protocol.map(str::to_owned),
        name: name.map(str::to_owned),
        ..ContainerPort::default()
    }
}

fn container(ports: Vec<ContainerPort>) -> Container {
    Container {
        ports: Some(ports),
        ..Container::default()
    }
}

fn told(containers: Vec<Container>, init_containers: Vec<Container>) -> Vec<(String, i32, String)> {
    let spec = PodSpec {
        containers,
        init_containers: Some(init_containers),
        ..PodSpec::default()
    };
    let port = |port: ServicePort| {
        assert_eq!(port.target_port, Some(IntOrString::Int(port.port)));
        (port.name.unwrap(), port.port, port.protocol.unwrap())
    };
    ports(&spec).into_iter().map(port).collect()
}

fn row(name: &str, port: i32, protocol: &str) -> (String, i32, String) {
    (name.to_owned(), port, protocol.to_owned())
}

#[test]
fn without_ports_of_containers_a_service_has_none() {
    assert!(told(vec![container(vec![])], vec![]).is_empty());
    assert_eq!(spec(&subject(&sandbox())).ports, None);
}

#[test]
fn ports_are_sorted_by_number_and_protocol() {
    let ports = vec![
        port(9000, None, None),
        port(53, Some("UDP"), None),
        port(53, None, None),
    ];
    assert_eq!(
        told(vec![container(ports)], vec![]),
        [
            row("p-53-tcp", 53, "TCP"),
            row("p-53-udp", 53, "UDP"),
            row("p-9000-tcp", 9000, "TCP")
        ]
    );
}

#[test]
fn sidecars_that_stay_bring_ports_and_init_containers_that_end_do_not() {
    let sidecar = Container {
        restart_policy: Some("Always".to_owned()),
        ..container(vec![port(2, None, None)])
    };
    let ends = container(vec![port(3, None, None)]);
    assert_eq!(
        told(
            vec![container(vec![port(1, None, None)])],
            vec![sidecar, ends]
        ),
        [row("p-1-tcp", 1, "TCP"), row("p-2-tcp", 2, "TCP")]
    );
}

#[test]
fn a_port_stands_once_and_its_first_name_wins() {
    let ports = vec![
        port(80, None, None),
        port(80, Some("TCP"), Some("web")),
        port(80, Some(""), Some("http")),
    ];
    assert_eq!(
        told(vec![container(ports)], vec![]),
        [row("web", 80, "TCP")]
    );
}

#[test]
fn a_name_stands_once_and_its_first_port_has_it() {
    let one = container(vec![port(81, None, Some("web"))]);
    let other = container(vec![port(80, None, Some("web"))]);
    assert_eq!(
        told(vec![one, other], vec![]),
        [row("p-80-tcp", 80, "TCP"), row("web", 81, "TCP")]
    );
}

#[test]
fn a_made_up_name_makes_way_for_a_given_one() {
    let ports = vec![
        port(80, None, None),
        port(81, None, Some("p-80-tcp")),
        port(82, None, Some("p-80-tcp-2")),
    ];
    assert_eq!(
        told(vec![container(ports)], vec![]),
        [
            row("p-80-tcp-3", 80, "TCP"),
            row("p-80-tcp", 81, "TCP"),
            row("p-80-tcp-2", 82, "TCP")
        ]
    );
}

#[test]
fn port_zero_is_no_port() {
    assert!(told(vec![container(vec![port(0, None, Some("x"))])], vec![]).is_empty());
}

fn wanting(wanted: Option<bool>) -> Sandbox {
    with(|spec| {
        spec.blueprint.service = wanted;
        spec.blueprint.pod_template.spec.containers[0].ports =
            Some(vec![port(80, None, Some("web"))]);
    })
}

fn ours() -> Service {
    let sandbox = wanting(Some(true));
    let mut made = build::service(&subject(&sandbox));
    made.metadata.resource_version = Some("9".to_owned());
    made
}

fn unowned(labels: &[(&str, &str)]) -> Service {
    service(ObjectMeta {
        labels: Some(map(labels)),
        ..ObjectMeta::default()
    })
}

fn decided(wanted: Option<bool>, here: Option<Service>) -> ServiceStep {
    decide(&subject(&wanting(wanted)), here.map(shared).as_ref())
}

#[test]
fn a_service_is_made_only_where_one_is_asked_for() {
    assert_eq!(decided(Some(true), None), ServiceStep::Create);
    assert_eq!(decided(None, None), ServiceStep::Nothing);
    assert_eq!(decided(Some(false), None), ServiceStep::Nothing);
}

#[test]
fn a_new_service_is_headless_labelled_and_ours() {
    let made = ours();
    let hash = name_hash("box");
    assert_eq!(
        made.metadata.labels,
        Some(map(&[(label::SANDBOX_NAME_HASH, &hash)]))
    );
    assert_eq!(made.metadata.owner_references.unwrap()[0].uid, "uid-of-box");
    let spec = made.spec.unwrap();
    assert_eq!(spec.cluster_ip.as_deref(), Some("None"));
    assert_eq!(
        spec.selector,
        Some(map(&[(label::SANDBOX_NAME_HASH, &hash)]))
    );
    assert_eq!(spec.ports.unwrap()[0].name.as_deref(), Some("web"));
}

#[test]
fn a_service_of_ours_that_is_as_wanted_is_not_written_to() {
    for wanted in [Some(true), None] {
        assert_eq!(decided(wanted, Some(ours())), ServiceStep::Keep);
    }
}

#[test]
fn a_service_of_ours_is_deleted_where_it_is_not_wanted() {
    assert!(matches!(
        decided(Some(false), Some(ours())),
        ServiceStep::Delete(_)
    ));
}

#[test]
fn what_is_not_ours_is_never_deleted() {
    for other in [
        unowned(&[(label::ADOPTABLE, "true")]),
        service(owned_by("another-uid")),
    ] {
        assert_eq!(decided(Some(false), Some(other)), ServiceStep::Nothing);
    }
}

fn patched(wanted: Option<bool>, here: Service) -> Value {
    let ServiceStep::Patch(patch) = decided(wanted, Some(here)) else {
        panic!("no patch")
    };
    assert_eq!(patch["metadata"]["resourceVersion"], "9");
    patch
}

#[test]
fn a_selector_that_was_changed_is_put_right_and_holds_nothing_else() {
    let mut here = ours();
    here.spec.as_mut().unwrap().selector = Some(map(&[("app", "other")]));
    for wanted in [Some(true), None] {
        let patch = patched(wanted, here.clone());
        assert_eq!(
            patch["spec"],
            json!({"selector": {"app": null, label::SANDBOX_NAME_HASH: name_hash("box")}})
        );
    }
}

#[test]
fn the_service_of_what_is_a_pod_by_now_has_one_family_of_addresses() {
    let mut here = ours();
    let of_session = here.spec.as_mut().unwrap();
    of_session.selector = None;
    of_session.ip_families = Some(vec!["IPv6".to_owned(), "IPv4".to_owned()]);
    of_session.ip_family_policy = Some("RequireDualStack".to_owned());
    let spec = &patched(None, here.clone())["spec"];
    assert_eq!(spec["ipFamilyPolicy"], "SingleStack");
    assert_eq!(spec["ipFamilies"], json!(["IPv6"]));
    // Of a service that has led to pods, that is for others to say.
    here.spec.as_mut().unwrap().selector = Some(map(&[("app", "other")]));
    assert!(patched(None, here)["spec"].get("ipFamilies").is_none());
}

#[test]
fn a_tracking_label_that_was_changed_is_put_right() {
    let mut here = ours();
    here.metadata.labels = Some(map(&[(label::SANDBOX_NAME_HASH, "other"), ("theirs", "x")]));
    let patch = patched(Some(true), here);
    assert_eq!(
        patch["metadata"]["labels"],
        json!({label::SANDBOX_NAME_HASH: name_hash("box")})
    );
    assert_eq!(patch.get("spec"), None);
}

#[test]
fn ports_that_drifted_are_mended_where_a_service_is_asked_for() {
    let mut here = ours();
    here.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].port = 8080;
    let patch = patched(Some(true), here.clone());
    assert_eq!(patch["spec"]["ports"][0]["port"], 80);
    assert_eq!(decided(None, Some(here)), ServiceStep::Keep);
}

#[test]
fn ports_that_are_wanted_no_more_are_removed() {
    let mut sandbox = wanting(Some(true));
    sandbox.spec.blueprint.pod_template.spec.containers[0].ports = None;
    let ServiceStep::Patch(patch) = decide(&subject(&sandbox), Some(&shared(ours()))) else {
        panic!("no patch")
    };
    assert_eq!(patch["spec"], json!({"ports": []}));
}

#[test]
fn what_others_say_of_a_port_is_no_drift_and_outlives_a_repair() {
    let mut here = ours();
    let port = &mut here.spec.as_mut().unwrap().ports.as_mut().unwrap()[0];
    port.app_protocol = Some("h2c".to_owned());
    assert_eq!(decided(Some(true), Some(here.clone())), ServiceStep::Keep);
    here.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].name = Some("wrong".to_owned());
    let patch = patched(Some(true), here);
    assert_eq!(
        (
            &patch["spec"]["ports"][0]["appProtocol"],
            &patch["spec"]["ports"][0]["name"]
        ),
        (&json!("h2c"), &json!("web"))
    );
}

#[test]
fn a_headless_service_that_nobody_owns_is_adopted_with_permission() {
    let hash = name_hash("box");
    for permission in [
        (label::ADOPTABLE, "true"),
        (label::SANDBOX_NAME_HASH, hash.as_str()),
    ] {
        let patch = patched(Some(true), unowned(&[permission]));
        assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "uid-of-box");
        assert_eq!(patch["spec"]["selector"][label::SANDBOX_NAME_HASH], hash);
        assert_eq!(patch["spec"]["ports"][0]["port"], 80);
    }
}

#[test]
fn a_service_that_nobody_owns_is_refused_without_permission_and_ignored_where_none_is_asked_for() {
    assert!(matches!(
        decided(Some(true), Some(unowned(&[]))),
        ServiceStep::Refuse(Refusal::NotAdoptable { .. })
    ));
    assert_eq!(decided(None, Some(unowned(&[]))), ServiceStep::Nothing);
    assert_eq!(
        decided(None, Some(unowned(&[(label::ADOPTABLE, "true")]))),
        ServiceStep::Nothing
    );
}

#[test]
fn a_service_with_a_cluster_ip_is_not_adopted() {
    let mut here = unowned(&[(label::ADOPTABLE, "true")]);
    here.spec.as_mut().unwrap().cluster_ip = Some("10.96.0.9".to_owned());
    let ServiceStep::Refuse(refusal) = decided(Some(true), Some(here)) else {
        panic!("adopted")
    };
    assert!(refusal.to_string().contains("10.96.0.9"));
}

#[test]
fn a_foreign_service_is_refused_unless_none_is_wanted() {
    for wanted in [Some(true), None] {
        assert!(matches!(
            decided(wanted, Some(service(owned_by("another-uid")))),
            ServiceStep::Refuse(Refusal::Foreign { .. })
        ));
    }
}

#[test]
fn a_template_cannot_point_the_service_at_other_pods() {
    let mut sandbox = wanting(Some(true));
    sandbox.spec.blueprint.pod_template.metadata.labels =
        map(&[(label::SANDBOX_NAME_HASH, "victims")]);
    let made = build::service(&subject(&sandbox));
    assert_eq!(
        made.spec.unwrap().selector,
        Some(map(&[(label::SANDBOX_NAME_HASH, &name_hash("box"))]))
    );
}
