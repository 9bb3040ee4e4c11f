//! What it takes to place ten thousand sandboxes on a thousand nodes, each of
//! which counts what it was given before: `cargo bench --bench place`.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to say"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use k8s_openapi::api::core::v1::{Taint, Toleration};
use mote_controller::wasm::{Needs, NodeView, Wanted, place};

const NODES: usize = 1_000;
const PLACEMENTS: usize = 10_000;
/// Namespaces that the sandboxes belong to.
const TENANTS: usize = 50;
const GIB: u64 = 1 << 30;
const SESSION_BYTES: u64 = GIB / 4;

/// Every tenth node is cordoned, tainted, silent or full, each in its turn; of
/// the others a third has fast disks.
fn node(index: usize) -> NodeView {
    let repels = Taint {
        key: "example.com/gpu".to_owned(),
        value: Some("yes".to_owned()),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    let disk = if index.is_multiple_of(3) {
        "fast"
    } else {
        "slow"
    };
    let labels = [
        ("disk", disk),
        ("kubernetes.io/os", "linux"),
        ("topology.kubernetes.io/zone", "a"),
    ];
    NodeView {
        name: format!("node-{index:04}"),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        taints: if index % 10 == 1 {
            vec![repels]
        } else {
            Vec::new()
        },
        cordoned: index.is_multiple_of(10),
        heard: index % 10 != 2,
        refused: None,
        memory_bytes: 16 * GIB,
        reserved_bytes: if index % 10 == 3 { 16 * GIB } else { 0 },
        places: 1_000,
        images: BTreeSet::from(["mote.dev/base".to_owned()]),
        tenants: BTreeSet::new(),
    }
}

/// Every other sandbox wants fast disks, every fifth bears the taint.
fn wanted(index: usize) -> Wanted {
    let selector = index
        .is_multiple_of(2)
        .then(|| ("disk".to_owned(), "fast".to_owned()));
    let bears = Toleration {
        key: Some("example.com/gpu".to_owned()),
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    };
    Wanted {
        image: "mote.dev/base".to_owned(),
        memory_bytes: SESSION_BYTES,
        needs: Needs {
            node: None,
            labels: selector.into_iter().collect(),
            tolerations: if index.is_multiple_of(5) {
                vec![bears]
            } else {
                Vec::new()
            },
        },
        ..Wanted::default()
    }
}

/// Places one after the other; how many found a node.
fn place_all(nodes: &mut BTreeMap<String, NodeView>, all: &[(String, Wanted)]) -> usize {
    let mut placed = 0;
    for (namespace, wanted) in all {
        let chosen = place(wanted, namespace, nodes.values()).map(|node| node.name.clone());
        let Some(node) = chosen.ok().and_then(|name| nodes.get_mut(&name)) else {
            continue;
        };
        node.reserved_bytes += wanted.memory_bytes;
        node.places -= 1;
        node.tenants.insert(namespace.clone());
        placed += 1;
    }
    placed
}

fn placements(criterion: &mut Criterion) {
    let nodes: BTreeMap<_, _> = (0..NODES)
        .map(node)
        .map(|node| (node.name.clone(), node))
        .collect();
    let all: Vec<_> = (0..PLACEMENTS)
        .map(|index| (format!("ns-{}", index % TENANTS), wanted(index)))
        .collect();
    let placed = place_all(&mut nodes.clone(), &all);
    assert_eq!(placed, PLACEMENTS, "there is room for all of them");
    let mut group = criterion.benchmark_group("place");
    group.sample_size(10);
    group.bench_function(
        format!("{PLACEMENTS} sandboxes on {NODES} nodes"),
        |bench| {
            bench.iter_batched(
                || nodes.clone(),
                |mut nodes| black_box(place_all(&mut nodes, &all)),
                BatchSize::PerIteration,
            );
        },
    );
    group.finish();
}

criterion_group!(benches, placements);
criterion_main!(benches);
