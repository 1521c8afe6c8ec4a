"""Probes: programs in the kernel that report events. The only package that may import bcc."""

from sensor.probes.errors import ProbeError

__all__ = ["ProbeError"]
