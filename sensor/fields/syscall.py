"""The catalog of the kernel's events: every field that upstream's syscall source has."""

from collections.abc import Iterator

from sensor.fields import account, container, evt, fd, process
from sensor.fields.catalog import Catalog, Extract, Field, by_name, missing
from sensor.fields.coerce import coerced
from sensor.fields.documents import JSON
from sensor.fields.kinds import Type

_FEW = (
    *(
        Field(name=name, type=kind, doc=doc)
        for name, kind, doc in (
            ("syslog.facility.str", Type.CHARBUF, "Facility of a message to the system log."),
            ("syslog.facility", Type.UINT32, "Facility as a number."),
            ("syslog.severity.str", Type.CHARBUF, "Severity of the message."),
            ("syslog.severity", Type.UINT32, "Severity as a number."),
            ("syslog.message", Type.CHARBUF, "The message."),
        )
    ),
    *(
        Field(name=f"fdlist.{name}", type=Type.CHARBUF, doc=f"For poll: {doc}, with commas.")
        for name, doc in (
            ("nums", "descriptors"),
            ("names", "their names"),
            ("cips", "client addresses"),
            ("sips", "server addresses"),
            ("cports", "client ports"),
            ("sports", "server ports"),
        )
    ),
)

_KRSI = {
    Type.CHARBUF: ("name", "target", "linkpath", "path", "oldpath", "newpath"),
    Type.UINT64: (
        *("fd", "file_index", "flags", "mode", "dev", "ino", "domain", "type", "protocol", "iou_ret", "res"),
        *("linkdirfd", "olddirfd", "newdirfd", "dirfd", "cport", "sport"),
    ),
    Type.IPADDR: ("cip", "sip"),
}
_META = ("pod", "ns", "deployment", "svc", "rs", "rc")


def _from_argument(name: str, kind: Type) -> Extract:
    return lambda event: coerced(kind, event.args.get(name))


def _extensions() -> Iterator[Field]:
    """Fields of extensions that upstream loads on top of this source."""
    for sort, names in _KRSI.items():
        for name in names:
            doc = f"{name} of an event reported by a security hook (krsi_open, krsi_connect, …)."
            yield Field(name=f"krsi.{name}", type=sort, doc=doc, extract=_from_argument(name, sort))
    for kind in _META:
        listed = kind == "svc"
        doc = f"of the pod's {kind}, from the cluster's API."
        for name in ("name", "uid"):
            yield Field(name=f"k8smeta.{kind}.{name}", type=Type.CHARBUF, doc=f"{name} {doc}", is_list=listed)
        yield Field(name=f"k8smeta.{kind}.label", type=Type.CHARBUF, doc=f"One label {doc}", is_list=listed,
                    argument="required", bind=lambda label: missing)  # fmt: skip
        yield Field(name=f"k8smeta.{kind}.labels", type=Type.CHARBUF, doc=f"Labels {doc}", is_list=True)
    yield Field(name="k8smeta.pod.ip", type=Type.CHARBUF, doc="Address of the pod, from the cluster's API.")
    for name, sort in (("count_min_sketch", Type.UINT64), ("count_min_sketch.profile", Type.CHARBUF)):
        yield Field(name=f"anomaly.{name}", type=sort, doc="Counts of behaviours.", argument="optional", index=True,
                    bind=lambda number: missing)  # fmt: skip


SYSCALL = Catalog(
    name="syscall",
    fields=by_name(
        (
            *evt.ANY_SOURCE,
            *evt.SYSCALL,
            *process.FIELDS,
            *account.FIELDS,
            *fd.FIELDS,
            *container.FIELDS,
            *_FEW,
            *_extensions(),
            *JSON,
        )
    ),
    roots={"": "", "proc": "proc", "fd": "fd"},
    recorded=True,
    type_field="evt.type",
)
