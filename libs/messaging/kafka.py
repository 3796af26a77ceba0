"""How this process reaches Kafka, and what must hold before a client may run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.record import default_records
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy


class SlowClient(RuntimeError):
    """aiokafka runs without its C extensions, at a sixth of its speed (aiokafka #514)."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where Kafka is and how to speak with it."""

    bootstrap: str
    """`host:port`, several separated by commas."""
    client_id: str
    """Names this process in the broker's logs and metrics."""
    namespace: str = ""
    """Stands before every topic's and group's name, where several partnerships share a cluster."""
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """aiokafka's security arguments, such as `security_protocol` and `ssl_context`. Empty: plaintext."""

    def named(self, name: str) -> str:
        """A topic's or group's name on this cluster."""
        return f"{self.namespace}{name}"

    def arguments(self) -> dict[str, Any]:
        """What every aiokafka client of this process is made with. Raises SlowClient.

        aiokafka's debug messages print records with key and value, so they are switched off for good.
        """
        if default_records.DefaultRecordBatchBuilder is _DefaultRecordBatchBuilderPy:
            raise SlowClient("aiokafka was installed without its C extensions; install it from its wheel")
        logger = logging.getLogger("aiokafka")  # noqa: TID251 - not to log, but to keep it from logging
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
        return {"bootstrap_servers": self.bootstrap, "client_id": self.client_id, **self.security}
