"""The sandbox's agencies: suppliers that were built apart, each with an API and codes of its own.

They answer from the families' files, and misbehave when told to: `PUT /agencies/{agency}/behaviour`. What each was
asked is listed at `/agencies/asked`.
"""

from collections.abc import Mapping

from fastapi import APIRouter

from libs.schemas.clock import Clock
from sandbox.agencies.control import control_router
from sandbox.agencies.early_help import EarlyHelp
from sandbox.agencies.education import Education
from sandbox.agencies.health import Health
from sandbox.agencies.housing import Housing
from sandbox.agencies.marac import Marac
from sandbox.agencies.police import Police
from sandbox.agencies.social_care import SocialCare
from sandbox.agencies.supplier import Supplier
from sandbox.families import Families

SUPPLIERS: tuple[type[Supplier], ...] = (Police, Health, Education, Marac, SocialCare, EarlyHelp, Housing)
AGENCIES = tuple(supplier.name for supplier in SUPPLIERS)


def make_suppliers(families: Families, *, key: str, clock: Clock) -> dict[str, Supplier]:
    """All suppliers by name. `key` is the secret that each accepts in its own way."""
    return {supplier.name: supplier(families, key=key, clock=clock) for supplier in SUPPLIERS}


def suppliers_router(suppliers: Mapping[str, Supplier]) -> APIRouter:
    """Their APIs, and the controls of all, under `/agencies`."""
    router = APIRouter()
    router.include_router(control_router(suppliers))
    for supplier in suppliers.values():
        router.include_router(supplier.router())
    return router


def agencies_router(families: Families, *, key: str, clock: Clock) -> APIRouter:
    """Both at once, where nobody else needs the suppliers."""
    return suppliers_router(make_suppliers(families, key=key, clock=clock))
