"""How this process reaches Kafka: addresses, security, and what must hold before a client may run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import (
    BrokerResponseError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.record._crecords import cutil

from libs.messaging.errors import Transient, code_of


class SlowClient(RuntimeError):
    """aiokafka runs without its C extensions, at a sixth of its speed (aiokafka #514)."""


TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What a broker answers to a batch above `max.message.bytes`: the one refusal that is about the record itself."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where Kafka is and how to speak with it."""

    bootstrap: str
    """`host:port`, several separated by commas."""
    client_id: str
    """Names this process in the broker's logs and metrics."""
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """aiokafka's security arguments, such as `security_protocol` and `ssl_context`. Empty: plaintext."""

    def arguments(self) -> dict[str, Any]:
        """What every aiokafka client of this process is made with.

        Its debug messages print records with key and value, so they are switched off for good.
        """
        for name in ("aiokafka", "aiokafka.producer.producer", "aiokafka.consumer.fetcher", "aiokafka.conn"):
            logger = logging.getLogger(name)
            if logger.getEffectiveLevel() < logging.INFO:
                logger.setLevel(logging.INFO)
        return {"bootstrap_servers": self.bootstrap, "client_id": self.client_id, **self.security}


def require_fast_client() -> None:
    """Raises SlowClient where aiokafka's C extensions are not in use."""
    if cutil is None:
        raise SlowClient("aiokafka was installed without its C extensions; install its wheel")
