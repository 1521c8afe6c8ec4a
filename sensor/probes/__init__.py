"""Probes: programs in the kernel that report events. The only package that may import bcc."""

from sensor.probes.checkup import Finding, doctor
from sensor.probes.errors import ProbeError

__all__ = ["Finding", "ProbeError", "doctor"]
