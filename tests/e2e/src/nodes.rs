//! The nodes of a cluster of our own, and what befalls them.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::kubectl::{kubectl, run};

/// The namespace of node hosts.
const SYSTEM: &str = "agent-sandbox-system";
/// The DaemonSet of node hosts.
const HOSTS: &str = "daemonset/mote-node";
/// The port on which the controller calls a node host.
const RPC: &str = "7443";

/// The names of the nodes that have a node host, in order.
pub fn nodes() -> Vec<String> {
    let listed = kubectl(&[
        "-n",
        SYSTEM,
        "get",
        "pods",
        "-l",
        "app=mote-node",
        "-o",
        "json",
    ]);
    let pods: Value = serde_json::from_str(&listed).expect("JSON");
    let pods = pods["items"].as_array().expect("a list");
    let mut nodes: Vec<String> = pods
        .iter()
        .filter_map(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned))
        .collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

/// The two nodes that a story about several needs.
pub fn two_nodes() -> [String; 2] {
    let nodes = nodes();
    let two = nodes.try_into();
    two.unwrap_or_else(|nodes| {
        panic!(
            "two nodes with node hosts are needed, and {nodes:?} have one: NODES=2 make cluster-up"
        )
    })
}

/// Something was changed, and is changed back when this is dropped, also where
/// a story fails.
#[must_use = "it is undone at once"]
pub struct Undo(Vec<Box<dyn FnMut() + Send + Sync>>);

impl Undo {
    pub(crate) fn by(undo: impl FnMut() + Send + Sync + 'static) -> Self {
        Self(vec![Box::new(undo)])
    }

    fn kubectl(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        Self::by(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(&arguments);
        })
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for undo in &mut self.0 {
            undo();
        }
    }
}

/// Lets nothing new onto a node.
pub fn cordon(node: &str) -> Undo {
    kubectl(&["cordon", node]);
    Undo::kubectl(&["uncordon", node])
}

/// Taints a node, with `key:Effect`.
pub fn taint(node: &str, taint: &str) -> Undo {
    kubectl(&["taint", "--overwrite", "node", node, taint]);
    Undo::kubectl(&["taint", "node", node, &format!("{taint}-")])
}

/// Ends the node host of a node at once, as if it had crashed; a new pod comes.
pub fn kill_host(node: &str) {
    let field = format!("spec.nodeName={node}");
    kill_pods(&["-l", "app=mote-node", "--field-selector", &field]);
}

/// Ends the controller at once, as if it had crashed; a new pod comes, and leads
/// when the old one's lease is over.
pub fn kill_controller() {
    kill_pods(&["-l", "app=agent-sandbox-controller"]);
}

fn kill_pods(which: &[&str]) {
    let delete = ["-n", SYSTEM, "delete", "pod"];
    let now = ["--grace-period=0", "--force", "--wait=false"];
    kubectl(&[&delete[..], which, &now[..]].concat());
}

/// The prefixes of a node's sandboxes.
pub fn prefixes(node: &str) -> String {
    let path = r"jsonpath={.metadata.annotations.mote\.dev/addresses}";
    kubectl(&["get", "node", node, "-o", path])
}

/// Says of which prefixes the sandboxes of a node have their addresses, and
/// starts its host anew.
pub fn readdress(node: &str, prefixes: &str) -> Undo {
    let put = |prefixes: &str| {
        let annotation = format!("mote.dev/addresses={prefixes}");
        ["annotate", "--overwrite", "node", node, &annotation].map(str::to_owned)
    };
    let back = put(&self::prefixes(node));
    kubectl(&put(prefixes).each_ref().map(String::as_str));
    kill_host(node);
    let node = node.to_owned();
    Undo::by(move || {
        run(&back.each_ref().map(String::as_str));
        kill_host(&node);
    })
}

/// Ends the node host of a node at once, and lets none come back.
pub fn without_host(node: &str) -> Undo {
    kubectl(&["label", "--overwrite", "node", node, "mote.dev/node=false"]);
    kill_host(node);
    Undo::kubectl(&["label", "node", node, "mote.dev/node-"])
}

/// Cuts the controller off from a node host, which goes on to serve whoever
/// calls its sandboxes.
pub fn cut_off(node: &str) -> Undo {
    let rule = |action: &str| {
        let line = format!(
            "PATH=$PATH:/usr/sbin:/sbin; iptables -w {action} INPUT -p tcp --dport {RPC} -j DROP"
        );
        vec!["sh".to_owned(), "-c".to_owned(), line]
    };
    let output = in_node(node, &rule("-I"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (node, back) = (node.to_owned(), rule("-D"));
    Undo::by(move || drop(in_node(&node, &back)))
}

/// Lets node hosts pull from these registries, which have no TLS.
pub fn insecure_registries(authorities: &[&str]) -> Undo {
    let path = "jsonpath={.spec.template.spec.containers[0].args}";
    let told = kubectl(&["-n", SYSTEM, "get", HOSTS, "-o", path]);
    let before: Vec<String> = serde_json::from_str(&told).expect("arguments");
    let flags = authorities
        .iter()
        .map(|it| format!("--insecure-registry={it}"));
    let with: Vec<String> = before.iter().cloned().chain(flags).collect();
    for command in restarts(&with) {
        kubectl(&command.each_ref().map(String::as_str));
    }
    Undo::by(move || {
        for command in restarts(&before) {
            run(&command.each_ref().map(String::as_str));
        }
    })
}

/// What starts all node hosts anew, with these arguments, and waits for them.
fn restarts(arguments: &[String]) -> [[String; 6]; 2] {
    let patch = json!([{
        "op": "replace",
        "path": "/spec/template/spec/containers/0/args",
        "value": arguments,
    }]);
    let patch = patch.to_string();
    [
        [
            "-n",
            SYSTEM,
            "patch",
            HOSTS,
            "--type=json",
            &format!("--patch={patch}"),
        ],
        ["-n", SYSTEM, "rollout", "status", HOSTS, "--timeout=120s"],
    ]
    .map(|command| command.map(str::to_owned))
}

/// Kills the process of a node host with SIGKILL; its container is started anew.
pub fn kill_process(node: &str) {
    let kill = ["sh", "-c", "kill -9 $(pgrep -o -x mote)"].map(str::to_owned);
    let output = in_node(node, &kill);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a command in a node of our own cluster, whose names end in their numbers.
fn in_node(node: &str, command: &[String]) -> Output {
    let number = node.rsplit('-').next().expect("a number");
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../cluster/enter"))
        .args(command)
        .env("NODE", number)
        .output()
        .expect("the cluster's scripts")
}
