"""Where alarms go in a test."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass
class Bell:
    """Keeps the alarms that were raised."""

    works: bool = True
    rung: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def raise_alarm(self, code: str, **ids: str | int | UUID) -> bool:
        self.rung.append((code, dict(ids)))
        return self.works
