"""Fields of Kubernetes audit events about the pod in the request: `ka.req.pod.*`, its containers and volumes."""

from collections.abc import Callable
from typing import Any

from sensor.event import Event
from sensor.fields.catalog import Extract, Field
from sensor.fields.documents import indexed, plain, pointer, text

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
    ("name", _at("/name"), "names"),
    ("command", _at("/command"), "commands"),
    ("args", _at("/args"), "arguments"),
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
        indexed(f"ka.req.pod.{kind}.{name}", f"{doc.capitalize()} of the pod's {kind}.", _of_containers(kind, each))
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for name, each, doc in _EACH
    ]


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


def _host_path(wanted: str) -> Extract:
    """Whether a volume has this host path; one that begins so, where a star ends it."""
    values = _of_volumes(pointer("/hostPath/path"))
    start = wanted.removesuffix("*")

    def extract(event: Event) -> str | None:
        paths = [path for path in values(event) if isinstance(path, str)]
        if start == wanted:
            return text(wanted in paths)
        return text(any(path.startswith(start) for path in paths))

    return extract


def _one(name: str, doc: str, extract: Extract | None, **more: Any) -> Field:
    return plain(f"ka.req.{name}", doc, extract, **more)


POD_FIELDS = (
    *_container_fields(),
    _one("container.image", "Image of the first container.", _first("containers", _at("/image")),
         deprecated="is replaced by ka.req.pod.containers.image"),
    _one("container.image.repository", "The same without its tag.",
         _first("containers", lambda container, spec: repository(container.get("image"))),
         deprecated="is replaced by ka.req.pod.containers.image.repository"),
    _one("container.privileged", "Whether any container is privileged.", _any_privileged,
         deprecated="is replaced by ka.req.pod.containers.privileged"),
    _one("container.host_network", "The pod's hostNetwork.", _in_spec("/hostNetwork"),
         deprecated="is replaced by ka.req.pod.host_network"),
    _one("pod.host_ipc", "The pod's hostIPC.", _in_spec("/hostIPC")),
    _one("pod.host_network", "The pod's hostNetwork.", _in_spec("/hostNetwork")),
    _one("pod.host_pid", "The pod's hostPID.", _in_spec("/hostPID")),
    _one("pod.run_as_user", "The pod's user id.", _in_spec("/securityContext/runAsUser")),
    _one("pod.run_as_group", "The pod's group id.", _in_spec("/securityContext/runAsGroup")),
    _one("pod.fs_group", "The pod's file system group.", _in_spec("/securityContext/fsGroup")),
    indexed("ka.req.pod.supplemental_groups", "The pod's further groups.", _supplemental_groups),
    indexed("ka.req.pod.volumes.hostpath", "Host paths of the pod's volumes.", _of_volumes(pointer("/hostPath/path"))),
    indexed("ka.req.pod.volumes.flexvolume_driver", "Drivers of the pod's flex volumes.",
            _of_volumes(pointer("/flexVolume/driver"))),
    indexed("ka.req.pod.volumes.volume_type", "Types of the pod's volumes.", _of_volumes(_volume_type)),
    _one("volume.hostpath", "Whether a volume has this host path, or begins so ([/a*]).", None, bind=_host_path,
         argument="required", deprecated="is replaced by ka.req.pod.volumes.hostpath"),
)  # fmt: skip
