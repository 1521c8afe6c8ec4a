"""The catalog of Kubernetes audit events: `ka.*`, read from the audit event's JSON (audit.k8s.io/v1)."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sensor.event import Event
from sensor.fields.catalog import Extract, Field
from sensor.fields.documents import catalog, from_path, indexed, plain, pointer, table, text, texts_from_path
from sensor.fields.k8s_pod import POD_FIELDS

_resource = pointer("/objectRef/resource")
_object_name = pointer("/objectRef/name")
_given_name = pointer("/responseObject/metadata/name")


def _of_list(path: str, inner: str = "") -> Callable[[Event], list[Any]]:
    read, within = pointer(path), pointer(inner)

    def values(event: Event) -> list[Any]:
        found = read(event.payload)
        return [within(one) for one in found] if isinstance(found, list) else []

    return values


def _subjects(kind: str, name: Callable[[dict[str, Any]], str | None]) -> Extract:
    """Names of the subjects of one kind in a role's binding."""
    read = pointer("/requestObject/subjects")

    def extract(event: Event) -> list[str] | None:
        found = read(event.payload)
        if not isinstance(found, list):
            return None
        names = (name(one) for one in found if isinstance(one, dict) and one.get("kind") == kind)
        return [one for one in names if one is not None]

    return extract


def _name(subject: dict[str, Any]) -> str | None:
    return text(subject.get("name"))


def _name_with_namespace(subject: dict[str, Any]) -> str | None:
    return f"{text(subject.get('namespace')) or ''}:{_name(subject) or ''}"


def _pod_name(event: Event) -> str | None:
    """The pod's name; of one that gets its name from the server, the name in the response."""
    if _resource(event.payload) != "pods":
        return None
    return text(_object_name(event.payload) or _given_name(event.payload))


def _parameter(name: str) -> Extract:
    read = pointer("/requestURI")

    def extract(event: Event) -> str | None:
        uri = read(event.payload)
        if not isinstance(uri, str):
            return None
        try:
            found = parse_qs(urlsplit(uri).query, keep_blank_values=True).get(name)
        except ValueError:
            return None
        return found[0] if found else None

    return extract


def _of_configmap(read: Callable[[Any], Any]) -> Extract:
    return lambda event: text(read(event.payload)) if _resource(event.payload) == "configmaps" else None


_PLAIN = """
auditid /auditID Id of the audit event.
stage /stage Stage of the request: RequestReceived, ResponseComplete, …
auth.decision /annotations/authorization.k8s.io~1decision Decision of the authorizer.
auth.reason /annotations/authorization.k8s.io~1reason Its reason.
auth.openshift.decision /annotations/authentication.openshift.io~1decision Decision of OpenShift's login.
auth.openshift.username /annotations/authentication.openshift.io~1username Who logs in to OpenShift.
security.pod.violations /annotations/pod-security.kubernetes.io~1audit-violations How its security standard is violated.
user.name /user/username Who asks.
impuser.name /impersonatedUser/username As whom they ask.
verb /verb What is asked: get, create, …
uri /requestURI The request's URI.
target.name /objectRef/name Name of the object.
target.namespace /objectRef/namespace Its namespace.
target.resource /objectRef/resource Its resource: pods, secrets, …
target.subresource /objectRef/subresource Its subresource: exec, …
req.binding.role /requestObject/roleRef/name The role that is bound.
req.service.type /requestObject/spec/type Type of the service.
resp.name /responseObject/metadata/name Name of the object in the response.
response.code /responseStatus/code Status of the response.
response.reason /responseStatus/reason Reason of a refusal.
useragent /userAgent Client's user agent.
"""


def _one(name: str, doc: str, extract: Extract | None, **more: Any) -> Field:
    return plain(f"ka.{name}", doc, extract, **more)


FIELDS = (
    *table("ka.", _PLAIN),
    _one("user.groups", "Groups of who asks.", texts_from_path("/user/groups"), is_list=True),
    indexed("ka.sourceips", "Client's addresses.", _of_list("/sourceIPs")),
    _one("uri.param", "A parameter of the URI: ka.uri.param[command].", None, bind=_parameter, argument="required"),
    _one("req.binding.subjects", "Who the role is bound to.", texts_from_path("/requestObject/subjects"), is_list=True),
    *(
        _one(f"req.binding.subjects.{name}", f"{doc} the role is bound to.", _subjects(kind, read), is_list=True)
        for name, doc, kind, read in (
            ("user_names", "Users", "User", _name),
            ("group_names", "Groups", "Group", _name),
            ("serviceaccount_names", "Service accounts", "ServiceAccount", _name),
            ("serviceaccount_ns_names", "Service accounts, as ns:name,", "ServiceAccount", _name_with_namespace),
        )
    ),
    _one("req.binding.subject.has_name", "Always missing.", None, bind=lambda name: lambda event: None,
         argument="required", deprecated="is always missing"),
    _one("req.configmap.name", "Name of the configmap.", _of_configmap(_object_name)),
    _one("req.configmap.obj", "The configmap.", _of_configmap(pointer("/requestObject/data"))),
    _one("req.role.rules", "Rules of a role.", texts_from_path("/requestObject/rules"), is_list=True),
    *(
        indexed(f"ka.req.role.rules.{name}", f"{name} of a role's rules.", _of_list("/requestObject/rules", f"/{name}"))
        for name in ("apiGroups", "nonResourceURLs", "verbs", "resources")
    ),
    indexed("ka.req.service.ports", "Ports of the service.", _of_list("/requestObject/spec/ports")),
    _one("target.pod.name", "Name of the pod that is the object.", _pod_name),
    _one("validations.admission.policy.failure", "What an admission policy found.",
         from_path("/annotations/validation.policy.admission.k8s.io~1validation_failure")),
    _one("cluster.name", "The cluster, where the source adds it.", from_path("/cluster_name")),
)  # fmt: skip

K8S_AUDIT = catalog("k8s_audit", *FIELDS, *POD_FIELDS)
