"""The catalog of Kubernetes audit events: `ka.*`, read from the audit event's JSON (audit.k8s.io/v1)."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sensor.event import Event
from sensor.fields.catalog import Extract, Field
from sensor.fields.documents import catalog, from_path, pointer, table, text, texts_from_path
from sensor.fields.kinds import Type

_spec = pointer("/requestObject/spec")
_template = pointer("/requestObject/spec/template/spec")

Each = Callable[[dict[str, Any], dict[str, Any]], Any]
"""What a field says of one container: (container, spec of its pod) → value, list of values, or None."""


def pod_spec(event: Event) -> dict[str, Any]:
    """The pod's specification in the request, also inside what makes pods (deployments, jobs, …)."""
    for read in (_template, _spec):
        found = read(event.payload)
        if isinstance(found, dict):
            return found
    return {}


def _in_spec(path: str) -> Extract:
    read = pointer(path)
    return lambda event: text(read(pod_spec(event)))


def _supplemental_groups(event: Event) -> list[Any]:
    found = pointer("/securityContext/supplementalGroups")(pod_spec(event))
    return found if isinstance(found, list) else []


def _listed(values: Iterator[Any]) -> list[str] | None:
    found: list[str] = []
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            word = text(one)
            if word is not None:
                found.append(word)
    return found or None


def _numbered(values: Callable[[Event], list[Any]]) -> tuple[Extract, Callable[[str], Extract]]:
    """A list field and its form with an index, which is a list of what the nth element gives."""

    def everything(event: Event) -> list[str] | None:
        return _listed(iter(values(event)))

    def nth(argument: str) -> Extract:
        number = int(argument[:6])

        def one(event: Event) -> list[str] | None:
            found = values(event)
            return _listed(iter(found[number : number + 1]))

        return one

    return everything, nth


def _list_field(name: str, doc: str, values: Callable[[Event], list[Any]]) -> Field:
    extract, bind = _numbered(values)
    return Field(
        name=name,
        type=Type.CHARBUF,
        doc=doc,
        extract=extract,
        bind=bind,
        argument="optional",
        index=True,
        is_list=True,
    )


def _of_containers(kind: str, each: Each) -> Callable[[Event], list[Any]]:
    def values(event: Event) -> list[Any]:
        spec = pod_spec(event)
        containers = spec.get(kind)
        return [each(one, spec) for one in containers if isinstance(one, dict)] if isinstance(containers, list) else []

    return values


def _at(path: str) -> Each:
    read = pointer(path)
    return lambda container, spec: read(container)


def _flag(path: str) -> Each:
    read = pointer(path)
    return lambda container, spec: bool(read(container))


def repository(image: Any) -> str | None:
    """An image's name without tag and digest."""
    if not isinstance(image, str):
        return None
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


def _effective(name: str) -> Each:
    in_container, in_pod = pointer(f"/securityContext/{name}"), pointer(f"/securityContext/{name}")

    def each(container: dict[str, Any], spec: dict[str, Any]) -> Any:
        found = in_container(container)
        if found is None:
            found = in_pod(spec)
        return 0 if found is None else found

    return each


def _host_ports(container: dict[str, Any], spec: dict[str, Any]) -> list[Any]:
    ports = container.get("ports")
    return [port.get("hostPort") for port in ports if isinstance(port, dict)] if isinstance(ports, list) else []


_EACH: tuple[tuple[str, Each, str], ...] = (
    ("image", _at("/image"), "images"),
    ("image.repository", lambda container, spec: repository(container.get("image")), "images without tags"),
    ("host_port", _host_ports, "host ports"),
    ("privileged", _flag("/securityContext/privileged"), "privileged flags"),
    ("allow_privilege_escalation", _flag("/securityContext/allowPrivilegeEscalation"), "privilege escalation flags"),
    ("read_only_fs", _flag("/securityContext/readOnlyRootFilesystem"), "read-only root flags"),
    ("run_as_user", _at("/securityContext/runAsUser"), "user ids"),
    ("eff_run_as_user", _effective("runAsUser"), "user ids in effect, the pod's where the container has none"),
    ("run_as_group", _at("/securityContext/runAsGroup"), "group ids"),
    ("eff_run_as_group", _effective("runAsGroup"), "group ids in effect, the pod's where the container has none"),
    ("proc_mount", _at("/securityContext/procMount"), "kinds of /proc"),
    ("add_capabilities", _at("/securityContext/capabilities/add"), "added capabilities"),
)


def _container_fields() -> list[Field]:
    return [
        _list_field(f"ka.req.pod.{kind}.{name}", f"{doc.capitalize()} of the pod's {kind}.", _of_containers(kind, each))
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for name, each, doc in _EACH
    ]


def _of_list(path: str, inner: str = "") -> Callable[[Event], list[Any]]:
    read, within = pointer(path), pointer(inner)

    def values(event: Event) -> list[Any]:
        found = read(event.payload)
        return [within(one) for one in found] if isinstance(found, list) else []

    return values


def _of_volumes(read: Callable[[dict[str, Any]], Any]) -> Callable[[Event], list[Any]]:
    def values(event: Event) -> list[Any]:
        volumes = pod_spec(event).get("volumes")
        return [read(one) for one in volumes if isinstance(one, dict)] if isinstance(volumes, list) else []

    return values


def _volume_type(volume: dict[str, Any]) -> str | None:
    return next((key for key in volume if key != "name"), None)


def _first(kind: str, each: Each) -> Extract:
    values = _of_containers(kind, each)
    return lambda event: text(next(iter(values(event)), None))


def _any_privileged(event: Event) -> str | None:
    found = _of_containers("containers", _flag("/securityContext/privileged"))(event)
    return text(any(found)) if found else None


def _host_path(prefix: str) -> Extract:
    values = _of_volumes(pointer("/hostPath/path"))
    wanted = prefix.removesuffix("*")
    return lambda event: text(any(isinstance(path, str) and path.startswith(wanted) for path in values(event)))


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
    resource = pointer("/objectRef/resource")
    return lambda event: text(read(event.payload)) if resource(event.payload) == "configmaps" else None


_PLAIN = """
auditid /auditID Id of the audit event.
stage /stage Stage of the request: RequestReceived, ResponseComplete, …
auth.decision /annotations/authorization.k8s.io~1decision Decision of the authorizer.
auth.reason /annotations/authorization.k8s.io~1reason Its reason.
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
    return Field(name=f"ka.{name}", type=Type.CHARBUF, doc=doc, extract=extract, **more)


FIELDS = (
    *table("ka.", _PLAIN),
    _one("user.groups", "Groups of who asks.", texts_from_path("/user/groups"), is_list=True),
    _list_field("ka.sourceips", "Client's addresses.", _of_list("/sourceIPs")),
    _one("uri.param", "A parameter of the URI: ka.uri.param[command].", None, bind=_parameter, argument="required"),
    _one("req.binding.subjects", "Who the role is bound to.", texts_from_path("/requestObject/subjects"), is_list=True),
    _one("req.binding.subject.has_name", "Always missing.", None, bind=lambda name: lambda event: None,
         argument="required", deprecated="is always missing"),
    _one("req.configmap.name", "Name of the configmap.", _of_configmap(pointer("/objectRef/name"))),
    _one("req.configmap.obj", "The configmap.", _of_configmap(pointer("/requestObject/data"))),
    *_container_fields(),
    _one("req.container.image", "Image of the first container.", _first("containers", _at("/image")),
         deprecated="is replaced by ka.req.pod.containers.image"),
    _one("req.container.image.repository", "The same without its tag.",
         _first("containers", lambda container, spec: repository(container.get("image"))),
         deprecated="is replaced by ka.req.pod.containers.image.repository"),
    _one("req.container.privileged", "Whether any container is privileged.", _any_privileged,
         deprecated="is replaced by ka.req.pod.containers.privileged"),
    _one("req.container.host_network", "The pod's hostNetwork.", _in_spec("/hostNetwork"),
         deprecated="is replaced by ka.req.pod.host_network"),
    _one("req.pod.host_ipc", "The pod's hostIPC.", _in_spec("/hostIPC")),
    _one("req.pod.host_network", "The pod's hostNetwork.", _in_spec("/hostNetwork")),
    _one("req.pod.host_pid", "The pod's hostPID.", _in_spec("/hostPID")),
    _one("req.pod.run_as_user", "The pod's user id.", _in_spec("/securityContext/runAsUser")),
    _one("req.pod.run_as_group", "The pod's group id.", _in_spec("/securityContext/runAsGroup")),
    _one("req.pod.fs_group", "The pod's file system group.", _in_spec("/securityContext/fsGroup")),
    _list_field("ka.req.pod.supplemental_groups", "The pod's further groups.",
                _supplemental_groups),
    _one("req.role.rules", "Rules of a role.", texts_from_path("/requestObject/rules"), is_list=True),
    *(
        _list_field(f"ka.req.role.rules.{name}", f"{name} of a role's rules.",
                    _of_list("/requestObject/rules", f"/{name}"))
        for name in ("apiGroups", "nonResourceURLs", "verbs", "resources")
    ),
    _list_field("ka.req.service.ports", "Ports of the service.", _of_list("/requestObject/spec/ports")),
    _list_field("ka.req.pod.volumes.hostpath", "Host paths of the pod's volumes.",
                _of_volumes(pointer("/hostPath/path"))),
    _one("req.volume.hostpath", "Whether a volume's host path begins so.", None, bind=_host_path, argument="required",
         deprecated="is replaced by ka.req.pod.volumes.hostpath"),
    _list_field("ka.req.pod.volumes.flexvolume_driver", "Drivers of the pod's flex volumes.",
                _of_volumes(pointer("/flexVolume/driver"))),
    _list_field("ka.req.pod.volumes.volume_type", "Types of the pod's volumes.", _of_volumes(_volume_type)),
    _one("cluster.name", "The cluster, where the source adds it.", from_path("/cluster_name")),
)  # fmt: skip

K8S_AUDIT = catalog("k8s_audit", *FIELDS)
