"""What both of the peer's processes are built with."""

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware
from faststream.kafka.subscriber.usecase import LogicSubscriber
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, MetaData, Text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from libs.messaging.codec import PlainCodec
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger, Unit
from libs.platform.clock import SystemClock
from libs.schemas.base import Payload
from libs.schemas.events import EventType, Service

RECEIVED, CHECKS, TRIAGE = "peer.referral.v1", "peer.checks.v1", "peer.triage.v1"
POOL = 10
"""As ServiceSettings.pool_size."""

timers = MetaData()
now = SystemClock().now


class TimerRow(SQLModel, table=True):
    """The clocks' table of the messaging library."""

    metadata = timers
    __tablename__ = "timer"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    subject: UUID = Field(primary_key=True)
    referral_id: UUID
    state: str = Field(sa_column=Column(Text, nullable=False))
    due_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    claim_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, index=True))
    traceparent: str | None = Field(sa_column=Column(Text))


class Step(Unit):
    """A transaction of the peer's, for those steps that are written for a unit: one message's, over its session."""

    def __init__(self, ledger: Ledger, connection: asyncpg.Connection, referral_id: UUID) -> None:
        super().__init__(ledger, connection, now(), frozenset((referral_id,)))
        self.told: list[tuple[EventType[Any], Payload[Any, Any]]] = []
        """What the peer publishes after its commit."""

    def emit(
        self,
        type: EventType[Any],
        referral_id: UUID,
        payload: Any,
        *,
        trace: str | None,
        tracestate: str | None = None,
    ) -> UUID:
        """Keeps an event for the peer to publish."""
        self.told.append((type, payload))
        return super().emit(type, referral_id, payload, trace=trace, tracestate=tracestate)


class Peer:
    """A broker, a session factory and the partnership's directory."""

    def __init__(self, name: str, tables: MetaData) -> None:
        self._group = f"peer-{name}"
        self.partnership = Path(os.environ["MASH_PARTNERSHIP_DIR"])
        self._schema = f"peer_{name}"
        self._tables = tables
        self._workers = int(os.environ.get("PEER_WORKERS", "1"))
        url = os.environ["MASH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
        self._engine = create_async_engine(
            url,
            pool_size=POOL,
            max_overflow=0,
            connect_args={"server_settings": {"search_path": self._schema}},
        )
        # Never connected: what is written for a unit runs on the session's connection.
        pool = asyncpg.create_pool(os.environ["MASH_DATABASE_URL"], min_size=0)
        self.codec = PlainCodec()
        self._ledger = Ledger(pool, Service(name), partnership="peer", codec=self.codec, clock=SystemClock())
        self.sessions = async_sessionmaker(self._engine, class_=AsyncSession, expire_on_commit=False)
        provider = TracerProvider()
        exporter = OTLPSpanExporter(f"{os.environ['MASH_OTLP_ENDPOINT']}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self.broker = KafkaBroker(
            os.environ["MASH_KAFKA_BOOTSTRAP"],
            acks="all",
            enable_idempotence=True,
            logger=logging.getLogger(__name__),  # noqa: TID251 - the framework takes no other
            middlewares=[KafkaTelemetryMiddleware(tracer_provider=provider)],
        )

    def subscriber(self, topic: str) -> LogicSubscriber[object]:
        """One subscriber to a topic."""
        return self.broker.subscriber(
            topic,
            group_id=f"{self._group}-{topic}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.ACK,
            max_workers=self._workers,
        )

    async def publish(self, topic: str, type: str, referral_id: UUID, payload: BaseModel) -> None:
        """Sends an event and waits for its acknowledgement."""
        key = str(referral_id)
        headers = {"ce_id": str(uuid7()), "ce_type": type, "ce_time": now().isoformat(), "ce_subject": key}
        await self.broker.publish(payload, topic, key=key.encode(), headers=headers)

    async def step(self, session: AsyncSession, referral_id: UUID) -> Step:
        """The session's transaction as a unit, after what the session holds has been written."""
        await session.flush()
        raw = await (await session.connection()).get_raw_connection()
        return Step(self._ledger, raw.driver_connection, referral_id)

    def run(self) -> None:
        """Makes the tables and consumes until a signal."""
        app = FastStream(self.broker, logger=None)
        app.on_startup(self._prepare)
        uvloop.run(app.run())

    async def _prepare(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(self._tables.create_all)
            await connection.run_sync(timers.create_all)


def event_of(message: KafkaMessage, type: EventType[Any], payload: Payload[Any, Any]) -> Event:
    """A message as an event, for those steps that take one."""
    event_id, referral_id, at, trace = envelope(message)
    return Event(event_id, type, "peer", referral_id, 1, at, payload, trace=trace)


def envelope(message: KafkaMessage) -> tuple[UUID, UUID, datetime, str | None]:
    """An event's id, its referral's, its time and the trace that it belongs to."""
    headers: Mapping[str, str] = message.headers
    return (
        UUID(headers["ce_id"]),
        UUID(headers["ce_subject"]),
        datetime.fromisoformat(headers["ce_time"]),
        headers.get("traceparent"),
    )
