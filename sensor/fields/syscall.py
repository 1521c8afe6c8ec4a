"""The catalog of the kernel's events: every field that upstream's syscall source has."""

from sensor.fields import container, evt, fd, process
from sensor.fields.catalog import Catalog, Field, by_name
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

SYSCALL = Catalog(
    name="syscall",
    fields=by_name((*evt.ANY_SOURCE, *evt.SYSCALL, *process.FIELDS, *fd.FIELDS, *container.FIELDS, *_FEW)),
    roots={"": "", "proc": "proc", "fd": "fd"},
    recorded=True,
    type_field="evt.type",
)
