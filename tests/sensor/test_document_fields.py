"""Fields of sources whose events are JSON documents: Kubernetes audit, CloudTrail, Google Cloud, GitHub, Okta."""

from typing import Any

import pytest

from sensor.engine import Engine
from sensor.event import Event
from sensor.fields import ALL, Field, Type, UnknownField
from sensor.rules import load
from tests.sensor.rules import vectors

AUDIT = {
    "kind": "Event",
    "auditID": "5e2a",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&container=web",
    "verb": "create",
    "user": {"username": "bob", "groups": ["system:authenticated", "devs"]},
    "impersonatedUser": {"username": "eve"},
    "sourceIPs": ["10.0.0.9"],
    "userAgent": "kubectl",
    "objectRef": {"resource": "pods", "namespace": "default", "name": "web", "subresource": "exec"},
    "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC"},
    "responseStatus": {"code": 201},
    "requestObject": {
        "metadata": {"name": "web"},
        "spec": {
            "hostNetwork": True,
            "securityContext": {"runAsUser": 1000, "supplementalGroups": [5]},
            "containers": [
                {
                    "name": "web",
                    "command": ["sh", "-c"],
                    "image": "registry.local:5000/team/web:1.2@sha256:ab",
                    "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
                    "ports": [{"hostPort": 80}, {"hostPort": 443}],
                },
                {"name": "side", "image": "side", "securityContext": {"runAsUser": 0}},
            ],
            "volumes": [{"name": "a", "hostPath": {"path": "/proc"}}, {"name": "b", "emptyDir": {}}],
        },
    },
}


def value(source: str, field: str, payload: Any, **more: Any) -> Any:
    name, _, argument = field.partition("[")
    found = ALL[source].find(name, argument.removesuffix("]") if argument else None)
    return found.read(Event(type="", time=7, source=source, payload=payload, **more))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("ka.auditid", "5e2a"),
        ("ka.verb", "create"),
        ("ka.user.name", "bob"),
        ("ka.user.groups", ["system:authenticated", "devs"]),
        ("ka.impuser.name", "eve"),
        ("ka.auth.decision", "allow"),
        ("ka.target.subresource", "exec"),
        ("ka.response.code", "201"),
        ("ka.uri.param[command]", "sh"),
        ("ka.uri.param[container]", "web"),
        ("ka.uri.param[none]", None),
        ("ka.sourceips", ["10.0.0.9"]),
        ("ka.sourceips[0]", ["10.0.0.9"]),
        ("ka.sourceips[1]", None),
        ("ka.req.pod.containers.image", ["registry.local:5000/team/web:1.2@sha256:ab", "side"]),
        ("ka.req.pod.containers.image[1]", ["side"]),
        ("ka.req.pod.containers.image.repository", ["registry.local:5000/team/web", "side"]),
        ("ka.req.pod.containers.privileged", ["true", "false"]),
        ("ka.req.pod.containers.host_port", ["80", "443"]),
        ("ka.req.pod.containers.eff_run_as_user", ["1000", "0"]),
        ("ka.req.pod.containers.run_as_user", ["0"]),
        ("ka.req.pod.containers.add_capabilities", ["SYS_ADMIN"]),
        ("ka.req.pod.initContainers.image", None),
        ("ka.req.pod.host_network", "true"),
        ("ka.req.pod.host_pid", None),
        ("ka.req.pod.run_as_user", "1000"),
        ("ka.req.pod.supplemental_groups", ["5"]),
        ("ka.req.pod.volumes.hostpath", ["/proc"]),
        ("ka.req.pod.volumes.volume_type", ["hostPath", "emptyDir"]),
        ("ka.req.volume.hostpath[/pro*]", "true"),
        ("ka.req.volume.hostpath[/proc]", "true"),
        ("ka.req.volume.hostpath[/pro]", "false"),
        ("ka.req.pod.containers.name", ["web", "side"]),
        ("ka.req.pod.containers.name[1]", ["side"]),
        ("ka.req.pod.containers.command", ["sh", "-c"]),
        ("ka.req.pod.containers.args", None),
        ("ka.target.pod.name", "web"),
        ("ka.auth.openshift.username", None),
        ("ka.req.container.privileged", "true"),
        ("ka.req.container.image", "registry.local:5000/team/web:1.2@sha256:ab"),
        ("ka.req.configmap.name", None),
        ("jevt.value[/objectRef/name]", "web"),
        ("json.value[/requestObject/spec/containers/1/name]", "side"),
        ("json.value[/requestObject/spec/containers/9/name]", None),
        ("json.value[/annotations/authorization.k8s.io~1reason]", "RBAC"),
        ("json.value[/sourceIPs]", '["10.0.0.9"]'),
        ("json.rawtime", "7"),
    ],
)
def test_an_audit_event_is_read_by_its_fields(field, expected):
    assert value("k8s_audit", field, AUDIT) == expected


BINDING = {
    "objectRef": {"resource": "pods"},
    "responseObject": {"metadata": {"name": "web-x7f"}},
    "annotations": {
        "authentication.openshift.io/decision": "deny",
        "validation.policy.admission.k8s.io/validation_failure": "[]",
        "pod-security.kubernetes.io/audit-violations": "would violate",
    },
    "requestObject": {
        "subjects": [
            {"kind": "User", "name": "bob"},
            {"kind": "Group", "name": "devs"},
            {"kind": "ServiceAccount", "name": "ci", "namespace": "build"},
            "nonsense",
        ]
    },
}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("ka.req.binding.subjects.user_names", ["bob"]),
        ("ka.req.binding.subjects.group_names", ["devs"]),
        ("ka.req.binding.subjects.serviceaccount_names", ["ci"]),
        ("ka.req.binding.subjects.serviceaccount_ns_names", ["build:ci"]),
        ("ka.target.pod.name", "web-x7f"),
        ("ka.auth.openshift.decision", "deny"),
        ("ka.validations.admission.policy.failure", "[]"),
        ("ka.security.pod.violations", "would violate"),
    ],
)
def test_subjects_and_annotations_of_an_audit_event_are_read(field, expected):
    assert value("k8s_audit", field, BINDING) == expected


def test_a_pod_inside_a_deployment_is_read_too():
    spec = AUDIT["requestObject"]["spec"]
    deployment = {"requestObject": {"spec": {"replicas": 1, "template": {"spec": spec}}}}
    assert value("k8s_audit", "ka.req.pod.host_network", deployment) == "true"


CLOUDTRAIL = {
    "eventID": "1",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": "deployer"}}},
    "requestParameters": {"bucketName": "data", "key": "a/b"},
    "additionalEventData": {"bytesTransferredIn": 5.0, "bytesTransferredOut": 7, "MFAUsed": "No"},
}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("ct.src", "s3.amazonaws.com"),
        ("ct.shortsrc", "s3"),
        ("ct.user", "deployer"),
        ("ct.user.identitytype", "AssumedRole"),
        ("ct.info", "deployer GetObject data"),
        ("ct.error", None),
        ("ct.request", '{"bucketName":"data","key":"a/b"}'),
        ("s3.uri", "s3://data/a/b"),
        ("s3.bytes", 12),
        ("s3.bytes.in", 5),
        ("s3.cnt.get", 1),
        ("s3.cnt.other", 0),
        ("json.value[/additionalEventData/MFAUsed]", "No"),
    ],
)
def test_a_cloudtrail_event_is_read_by_its_fields(field, expected):
    assert value("aws_cloudtrail", field, CLOUDTRAIL) == expected


@pytest.mark.parametrize(
    ("source", "field", "payload", "expected"),
    [
        ("gcp_auditlog", "gcp.user", {"protoPayload": {"authenticationInfo": {"principalEmail": "a@b"}}}, "a@b"),
        ("gcp_auditlog", "gcp.storage.bucket", {"resource": {"labels": {"bucket_name": "x"}}}, "x"),
        ("github", "github.repo.public", {"repository": {"private": False}}, "true"),
        ("github", "github.repo.public", {}, None),
        ("github", "github.commit.added", {"commits": [{"added": ["a", "b"]}, {"added": ["c"]}]}, "a,b,c"),
        ("github", "github.user", {"sender": {"login": "bob"}}, "bob"),
        ("okta", "okta.evt.type", {"eventType": "user.session.start"}, "user.session.start"),
        ("okta", "okta.target.user.name", {"target": [{"type": "User", "displayName": "Bob"}]}, "Bob"),
        ("okta", "okta.target.group.name", {"target": [{"type": "User", "displayName": "Bob"}]}, None),
        (
            "okta",
            "okta.targets.displayName",
            {"target": [{"displayName": "Bob"}, {}, {"displayName": "Ops"}]},
            "Bob,Ops",
        ),
        ("okta", "okta.targets.displayName[1]", {"target": [{"displayName": "Bob"}, {"displayName": "Ops"}]}, "Ops"),
        ("okta", "okta.targets.displayName", {"target": "Bob"}, None),
        ("okta", "okta.security.asnumber", {"securityContext": {"asNumber": 64500}}, 64500),
    ],
)
def test_other_documents_are_read_by_their_fields(source, field, payload, expected):
    assert value(source, field, payload) == expected


def test_counts_that_the_source_keeps_come_with_the_event():
    counted = {"mfa.failure.countlast[300]": 4}
    assert value("okta", "okta.mfa.failure.countlast[300]", {}, args=counted) == 4
    assert value("okta", "okta.mfa.failure.countlast[60]", {}, args=counted) is None


@pytest.mark.parametrize("source", [name for name in ALL if name != "syscall"])
@pytest.mark.parametrize("payload", [None, [], "text", 5, {"user": 5, "target": 5, "requestObject": {"spec": []}}])
def test_a_document_of_another_shape_has_missing_fields(source, payload):
    for field in ALL[source].fields.values():
        if field.argument == "none":
            value(source, field.name, payload)


def test_a_pointer_begins_with_a_slash():
    with pytest.raises(UnknownField, match="begins with a slash"):
        ALL["okta"].find("json.value", "a/b")


def test_upstreams_audit_rules_see_a_privileged_pod_and_a_shell_in_one():
    rules = load([("k8s_audit_rules.yaml", vectors.rule_file("k8s_audit_rules.yaml"))])
    engine = Engine(rules, matching="all")
    creation = {**AUDIT, "objectRef": {"resource": "pods", "namespace": "default", "name": "web"}}
    names = {rule.name for rule in engine.evaluate(Event(type="", time=7, source="k8s_audit", payload=creation))}
    assert {"Create Privileged Pod", "Create HostNetwork Pod", "Create Sensitive Mount Pod"} <= names
    shell = {**AUDIT, "stage": "ResponseStarted"}
    names = {rule.name for rule in engine.evaluate(Event(type="", time=7, source="k8s_audit", payload=shell))}
    assert "Attach/Exec Pod" in names
    assert not engine.errors


class Everywhere(dict[str, Any]):
    """A document in which every path leads somewhere: `depth` levels down there is `end`, on the way maybe lists."""

    def __init__(self, depth: int, end: Any, listed: bool) -> None:
        super().__init__()
        self.depth, self.end, self.listed = depth, end, listed

    def get(self, key: str, default: Any = None) -> Any:
        if self.depth == 0:
            return self.end
        inner = Everywhere(self.depth - 1, self.end, self.listed)
        return [inner] if self.listed else inner

    __getitem__ = get

    def __contains__(self, key: object) -> bool:
        return True


def right_type(field: Field, found: Any) -> bool:
    """Whether a comparison with the field can take the value."""
    expected = {Type.CHARBUF: str, Type.BOOL: bool}.get(field.type, int)
    if field.is_list:
        return isinstance(found, list) and all(isinstance(one, expected) for one in found)
    return isinstance(found, expected)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("end", [None, True, 5, 1.5, "x", [], [5], ["a", None], {}], ids=repr)
@pytest.mark.parametrize("source", [name for name in ALL if name != "syscall"])
def test_every_field_is_of_its_type_or_missing_whatever_the_document_holds(source, end, depth, listed):
    for field in ALL[source].fields.values():
        argument = {"required": "5" if field.index else "/a", "optional": "0"}.get(field.argument)
        for one in {None, argument} if field.argument != "required" else {argument}:
            bound = ALL[source].find(field.name, one)
            found = bound.read(Event(type="", time=7, source=source, payload=Everywhere(depth, end, listed)))
            assert found is None or right_type(field, found), (field.name, found)
