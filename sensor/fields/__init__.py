"""The field catalog: what rules can ask about an event, by source.

`ALL` maps each source to its `Catalog`. Other catalogs (over stored alerts, for instance) are made from
`Field` objects in the same way and work with the same parser, checker and compiler.
"""

from collections.abc import Mapping

from sensor.fields.catalog import Bound, Catalog, Field, UnknownField, by_name
from sensor.fields.cloudtrail import AWS_CLOUDTRAIL
from sensor.fields.gcp_audit import GCP_AUDITLOG
from sensor.fields.github import GITHUB
from sensor.fields.k8s_audit import K8S_AUDIT
from sensor.fields.kinds import Type
from sensor.fields.okta import OKTA
from sensor.fields.syscall import SYSCALL

ALL: Mapping[str, Catalog] = {
    catalog.name: catalog for catalog in (SYSCALL, K8S_AUDIT, AWS_CLOUDTRAIL, GCP_AUDITLOG, GITHUB, OKTA)
}

__all__ = ["ALL", "SYSCALL", "Bound", "Catalog", "Field", "Type", "UnknownField", "by_name"]
