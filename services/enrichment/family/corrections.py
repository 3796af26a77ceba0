"""What staff correct of a child: what they gave replaces what was there, what they left out stays."""

from libs.schemas.codes import ChildStatus
from libs.schemas.referral import ReferredChild
from services.enrichment.asking.question import KeptChild, kept_child
from services.enrichment.family.home import STAFF, HomeChild, child_of

CORRECTED = (
    "given_name",
    "family_name",
    "also_known_as",
    "sex",
    "born",
    "expected",
    "nhs_number",
    "upn",
    "household",
)
"""What of a child can be corrected wherever it is kept."""


def corrected_home(before: HomeChild, child: ReferredChild) -> HomeChild:
    """The child as later referrals look at it. What the referrer stated stays as it was stated."""
    said_by = before.said_by if STAFF in before.said_by else (*before.said_by, STAFF)
    changes = _changes(child_of(child, STAFF), before.status, child)
    return before.model_copy(update={**changes, "part": child.part, "said_by": said_by})


def corrected_kept(before: KeptChild, child: ReferredChild) -> KeptChild:
    """The child as agencies are asked about it."""
    after = kept_child(before.number, child)
    changes = _changes(after, before.status, child)
    changes |= {name: value for name in ("address", "school") if (value := getattr(after, name)) is not None}
    return before.model_copy(update=changes)


def _changes(
    after: HomeChild | KeptChild, status: ChildStatus | str, child: ReferredChild
) -> dict[str, object]:
    """A birth ends an expected one; an unborn child of whose birth nothing is said stays unborn."""
    given = {name: value for name in CORRECTED if (value := getattr(after, name)) not in (None, ())}
    if child.born is not None:
        given["expected"] = None
    unborn = status == ChildStatus.UNBORN and child.born is None and child.status == ChildStatus.BORN
    return given if unborn else given | {"status": child.status}
