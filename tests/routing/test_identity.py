import pytest

from routing.identity import fingerprint

SHELL = {
    "proc.name": "bash",
    "proc.exepath": "/bin/bash",
    "user.name": "root",
    "container.image.repository": "nginx",
    "k8s.ns.name": "shop",
    "proc.pid": 4242,
    "k8s.pod.name": "web-1",
    "container.id": "abc",
}


def of(hostname: str = "node-1", source: str = "syscall", rule: str = "Shell", **fields: object) -> str:
    return fingerprint(source, rule, hostname, {**SHELL, **fields})


def test_a_restarted_pod_on_another_node_is_the_same_thing():
    assert of("node-2", **{"proc.pid": 1, "k8s.pod.name": "web-2", "container.id": "def"}) == of("node-1")


@pytest.mark.parametrize(
    "name", ["proc.name", "proc.exepath", "user.name", "container.image.repository", "k8s.ns.name"]
)
def test_another_stable_field_is_another_thing(name):
    assert of(**{name: "other"}) != of()


def test_another_rule_or_source_is_another_thing():
    assert len({of(), of(rule="Other"), of(source="k8s_audit")}) == 3


def test_what_runs_on_the_host_itself_belongs_to_the_host():
    on_host = {"container.image.repository": None, "k8s.ns.name": None}
    assert of("node-1", **on_host) != of("node-2", **on_host)


def test_of_a_file_only_the_directory_counts():
    assert of(**{"fd.name": "/tmp/a1b2"}) == of(**{"fd.name": "/tmp/c3d4"})
    assert of(**{"fd.name": "/proc/17/environ"}) == of(**{"fd.name": "/proc/4242/environ"})
    assert of(**{"fd.name": "/tmp/a"}) != of(**{"fd.name": "/etc/a"})


def test_the_ports_of_a_connection_do_not_count():
    assert of(**{"fd.name": "10.0.0.1:4->10.0.0.2:443"}) == of(**{"fd.name": "10.0.0.1:5->10.0.0.2:443"})
