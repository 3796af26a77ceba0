"""Who read or changed what in triage."""

from libs.platform.access import note

__all__ = ["note"]
