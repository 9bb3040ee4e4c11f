"""The published SDK, as it is published.

usage: sdk.py python-runtime URL SANDBOX      its direct connection
       sdk.py sandboxd ADDRESS REST GRPC      its in-cluster connection
       sdk.py cluster NAMESPACE POOL          a claim on the pool, and what it got
       sdk.py service NAMESPACE POOL          the same by the sandbox's service
       sdk.py tunnel NAMESPACE POOL           the same by its default connection

The first two need no cluster: a stand-in answers for the one object that the
SDK reads. The others are the SDK from end to end, against the cluster of
KUBECONFIG; the last goes through kubectl and the router.
"""

import sys

from k8s_agent_sandbox import SandboxClient
from k8s_agent_sandbox.exceptions import SandboxNotFoundError, SandboxRequestError
from k8s_agent_sandbox.models import (
    SandboxDirectConnectionConfig,
    SandboxLocalTunnelConnectionConfig,
    SandboxdInClusterConnectionConfig,
)
from k8s_agent_sandbox.sandbox import Sandbox
from kubernetes import watch

BYTES = bytes(range(256)) * 1000


class Cluster:
    """A cluster of one sandbox at `address`."""

    injected_api_client = None

    def __init__(self, address):
        self.address = address

    def get_sandbox(self, _name, _namespace):
        ips = [{"ip": self.address}] if self.address else []
        return {"metadata": {}, "status": {"podIPs": ips}}


def connect():
    kind, target, *more = sys.argv[1:]
    if kind == "python-runtime":
        config = SandboxDirectConnectionConfig(api_url=target, server_port=8888)
        return Sandbox("claim", more[0], connection_config=config, k8s_helper=Cluster(None))
    rest, grpc = (int(port) for port in more)
    config = SandboxdInClusterConnectionConfig(
        mode="in-cluster-pod-ip", rest_port=rest, grpc_port=grpc
    )
    return Sandbox("claim", "sandbox", connection_config=config, k8s_helper=Cluster(target))


def commands(sandbox):
    # The two surfaces differ in this alone: only sandboxd's has a shell.
    line = "sh -c 'echo out; echo err >&2; exit 3'"
    ended = sandbox.commands.run(line)
    assert (ended.stdout, ended.stderr, ended.exit_code) == ("out\n", "err\n", 3), ended
    assert sandbox.commands.run("echo 'hello world'").stdout == "hello world\n"
    late = sandbox.commands.run("sleep 100", command_timeout=0.5)
    assert late.timed_out, late


def files(sandbox):
    sandbox.files.write("data.bin", BYTES)
    assert sandbox.files.read("data.bin") == BYTES
    assert sandbox.files.exists("data.bin")
    assert not sandbox.files.exists("nothing")
    sandbox.commands.run("mkdir folder")
    # What is sent for "." reaches a daemon as a path to be cleaned, which it redirects.
    root = "/" if sandbox.connector.is_sandboxd() else "."
    entries = {entry.name: entry for entry in sandbox.files.list(root)}
    assert entries["data.bin"].size == len(BYTES), entries
    assert entries["data.bin"].type == "file", entries
    assert entries["folder"].type == "directory", entries
    assert entries["data.bin"].modified.year >= 2024, entries
    try:
        sandbox.files.read("nothing")
    except SandboxRequestError as error:
        assert error.status_code == 404, error
    else:
        raise AssertionError("read a file that is not there")


def sandboxd(sandbox):
    sandbox.files.write("deep/er/f.txt", "text")
    ended = sandbox.commands.run("cat f.txt; echo $A", cwd="deep/er", env={"A": "b"})
    assert ended.stdout == "textb\n", ended
    [entry] = sandbox.files.list("deep/er")
    assert entry.mode == "0644", entry
    try:
        sandbox.files.delete("deep")
    except SandboxRequestError as error:
        assert error.status_code == 409, error
    else:
        raise AssertionError("deleted a folder that holds something")
    sandbox.files.delete("deep", recursive=True)
    assert not sandbox.files.exists("deep/er/f.txt")


def until_gone(objects, name, namespace):
    """Kubernetes collects what belonged to a claim some time after the claim."""
    kind = ("agents.x-k8s.io", "v1beta1", namespace, "sandboxes")
    of_name = {"field_selector": f"metadata.name={name}"}
    listed = objects.list_namespaced_custom_object(*kind, **of_name)
    if not listed["items"]:
        return
    version = listed["metadata"]["resourceVersion"]
    changes = watch.Watch().stream(
        objects.list_namespaced_custom_object,
        *kind,
        **of_name,
        resource_version=version,
        timeout_seconds=60,
    )
    assert any(change["type"] == "DELETED" for change in changes), f"{name} stays"


def cluster(mode):
    way, namespace, pool = sys.argv[1:]
    config = SandboxdInClusterConnectionConfig(mode=mode)
    client = SandboxClient(connection_config=config)
    sandbox = client.create_sandbox(pool, namespace=namespace, claim_name="by-sdk")
    assert sandbox.get_pod_ip(), "no address"
    assert "by-sdk" in client.list_all_sandboxes(namespace)
    found = SandboxClient(connection_config=config).get_sandbox("by-sdk", namespace)
    assert found.get_pod_ip() == sandbox.get_pod_ip()
    for case in (commands, files, sandboxd):
        case(sandbox)
        print(case.__name__)
    client.delete_sandbox("by-sdk", namespace)
    until_gone(client.k8s_helper.custom_objects_api, sandbox.sandbox_id, namespace)
    try:
        # A claim that is not there may be on its way: so long it is waited for.
        client.get_sandbox("by-sdk", namespace, resolve_timeout=1)
    except SandboxNotFoundError:
        print(way)
    else:
        raise AssertionError("found a sandbox that was deleted")


def tunnel():
    namespace, pool = sys.argv[2:]
    client = SandboxClient(connection_config=SandboxLocalTunnelConnectionConfig())
    sandbox = client.create_sandbox(pool, namespace=namespace, claim_name="by-tunnel")
    for case in (commands, files):
        case(sandbox)
        print(case.__name__)
    client.delete_sandbox("by-tunnel", namespace)
    print("tunnel")


def main():
    if sys.argv[1] == "tunnel":
        tunnel()
        return
    if sys.argv[1] in ("cluster", "service"):
        cluster({"cluster": "in-cluster-pod-ip", "service": "in-cluster-service"}[sys.argv[1]])
        return
    sandbox = connect()
    cases = [commands, files] + ([sandboxd] if sys.argv[1] == "sandboxd" else [])
    for case in cases:
        case(sandbox)
        print(case.__name__)


main()
