"""`container.*` and `k8s.*`: where it runs. All but the id comes from the node's lookups."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from sensor.event import Event
from sensor.fields import lookups
from sensor.fields.catalog import Extract, Field
from sensor.fields.kinds import Type

HOST: Mapping[str, Any] = {
    "container.name": "host",
    "container.type": "host",
    "container.image": "",
    "container.image.id": "",
    "container.image.repository": "",
    "container.image.tag": "",
    "container.image.digest": "",
    "container.full_id": "host",
    "container.privileged": False,
}
_MOUNT_PARTS = ("source", "dest", "mode", "rdwr", "propagation")
_GONE = "is always missing"


def known(event: Event) -> Mapping[str, Any] | None:
    """What is known of the event's container, by full field name."""
    process = event.proc
    if process is None or process.container_id is None:
        return None
    if process.container_id == "host":
        return HOST
    return lookups.current().container(process.container_id)


def _of(name: str) -> Extract:
    def read(event: Event) -> Any:
        found = known(event)
        return None if found is None else found.get(name)

    return read


def _labelled(name: str) -> Callable[[str], Extract]:
    def bind(label: str) -> Extract:
        def read(event: Event) -> str | None:
            found = known(event)
            labels = None if found is None else found.get(name)
            return labels.get(label) if isinstance(labels, Mapping) else None

        return read

    return bind


def _labels(name: str) -> Extract:
    def read(event: Event) -> str | None:
        found = known(event)
        labels = None if found is None else found.get(name)
        return ", ".join(f"{key}:{value}" for key, value in labels.items()) if isinstance(labels, Mapping) else None

    return read


def mounts(event: Event) -> list[str]:
    """Mounts as `source:dest:mode:rdwr:propagation`."""
    found = known(event)
    value = None if found is None else found.get("container.mounts")
    if isinstance(value, str):
        return [one for one in value.split(",") if one]
    return list(value) if isinstance(value, list | tuple) else []


def _mount(part: str | None) -> Callable[[str], Extract]:
    """A mount by number or by path (a glob): the destination's for `source`, the source's for all others."""

    def bind(argument: str) -> Extract:
        def read(event: Event) -> str | None:
            for number, mount in enumerate(mounts(event)):
                pieces = mount.split(":")
                key = pieces[1] if part == "source" and len(pieces) > 1 else pieces[0]
                if str(number) == argument or (not argument.isdecimal() and fnmatchcase(key, argument)):
                    index = 0 if part is None else _MOUNT_PARTS.index(part)
                    return mount if part is None else pieces[index] if index < len(pieces) else None
            return None

        return read

    return bind


def _mounts(event: Event) -> str | None:
    return ",".join(mounts(event)) or (None if known(event) is None else "")


def _duration(event: Event) -> int | None:
    started = _of("container.start_ts")(event)
    return max(0, event.time - started) if isinstance(started, int) else None


def _text(name: str, doc: str, kind: Type = Type.CHARBUF) -> Field:
    return Field(name=name, type=kind, doc=doc, extract=_of(name))


def _missing(name: str, kind: Type = Type.CHARBUF, dotted: bool = False) -> Field:
    return Field(
        name=name,
        type=kind,
        doc="Always missing.",
        deprecated=_GONE,
        argument="required" if dotted else "none",
        dotted=dotted,
        bind=(lambda label: lambda event: None) if dotted else None,
    )


FIELDS = (
    Field(name="container.id", type=Type.CHARBUF, doc="First 12 characters of the id, or host.",
          via=("proc", "container_id")),
    _text("container.full_id", "The whole id."),
    _text("container.name", "Name."),
    _text("container.image", "Image with its tag."),
    _text("container.image.id", "Id of the image."),
    _text("container.image.repository", "Repository of the image."),
    _text("container.image.tag", "Tag of the image."),
    _text("container.image.digest", "Digest of the image."),
    _text("container.type", "docker, containerd, cri-o, podman, …"),
    _text("container.privileged", "Runs privileged.", Type.BOOL),
    Field(name="container.mounts", type=Type.CHARBUF, doc="All mounts, source:dest:mode:rdwr:propagation.",
          extract=_mounts),
    Field(name="container.mount", type=Type.CHARBUF, doc="One mount, by number or by a glob of its source.",
          bind=_mount(None), argument="required"),
    *(
        Field(name=f"container.mount.{part}", type=Type.CHARBUF, argument="required", bind=_mount(part),
              doc=f"{part.capitalize()} of one mount, by number or by a glob of the other end.")
        for part in _MOUNT_PARTS
    ),
    _text("container.start_ts", "Start, nanoseconds since the epoch.", Type.UINT64),
    Field(name="container.duration", type=Type.RELTIME, doc="Nanoseconds since then.", extract=_duration),
    _text("container.ip", "Address."),
    _text("container.cni.json", "What the network plugin said, as JSON."),
    _text("container.host_pid", "Shares the node's process ids.", Type.BOOL),
    _text("container.host_network", "Shares the node's network.", Type.BOOL),
    _text("container.host_ipc", "Shares the node's IPC.", Type.BOOL),
    Field(name="container.label", type=Type.CHARBUF, doc="One label: container.label[app] or container.label.app.",
          bind=_labelled("container.labels"), argument="required", dotted=True),
    Field(name="container.labels", type=Type.CHARBUF, doc="All labels.", extract=_labels("container.labels")),
    *(_missing(f"container.{name}") for name in ("healthcheck", "liveness_probe", "readiness_probe")),
    _text("k8s.pod.name", "Name of the pod."),
    _text("k8s.ns.name", "Namespace."),
    _text("k8s.pod.id", "Id of the pod."),
    _text("k8s.pod.uid", "Unique id of the pod."),
    _text("k8s.pod.sandbox_id", "Id of the pod's sandbox container."),
    _text("k8s.pod.full_sandbox_id", "The same, whole."),
    Field(name="k8s.pod.label", type=Type.CHARBUF, doc="One label of the pod.",
          bind=_labelled("k8s.pod.labels"), argument="required", dotted=True),
    Field(name="k8s.pod.labels", type=Type.CHARBUF, doc="All labels of the pod.", extract=_labels("k8s.pod.labels")),
    _text("k8s.pod.ip", "Address of the pod."),
    _text("k8s.pod.cni.json", "What the network plugin said of the pod, as JSON."),
    *(
        _missing(f"k8s.{kind}.{part}", dotted=part == "label")
        for kind in ("rc", "svc", "ns", "rs", "deployment")
        for part in ("name", "id", "label", "labels")
        if (kind, part) != ("ns", "name")
    ),
)  # fmt: skip
