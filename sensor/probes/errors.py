"""The one error the probes raise at their boundary."""


class ProbeError(Exception):
    """The probes cannot run here; the text says what is missing and what to do."""
