"""Finds the children who are not in a unit's referrals as they were sent, and adds them."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.schemas.people import Member
from libs.schemas.referral import ReferredChild
from services.enrichment.checks.store import Store
from services.enrichment.family.circle import Circle
from services.enrichment.family.found import (
    can_be_known,
    label_of_home,
    may_be_found,
    new_among,
    recognised,
    referred,
    remembered,
)
from services.enrichment.family.home import INDEX, STAFF
from services.enrichment.family.household import as_found
from services.enrichment.family.index import Index
from services.enrichment.family.likeness import alike
from services.enrichment.family.subjects import found_subject
from services.enrichment.family.work import Work

Found = dict[UUID, dict[UUID, tuple[str, ReferredChild]]]
"""For each referral the children to be announced, each with who named it."""


async def find(work: Work, index: Index, store: Store, zone: ZoneInfo) -> Found:
    """Looks for those whom agencies name and whom the index remembers, and adds the children who are new.

    Everybody who has to be looked for in the index is, in one call. Gives the children to be announced.
    """
    connection, on = work.unit.connection, {}
    in_memory: dict[UUID, Mapping[UUID, tuple[UUID, Member]]] = {}
    same: dict[UUID, Mapping[UUID, UUID]] = {}
    everywhere = work.by_person()
    for circle in work.targets:
        on[circle.referral_id] = circle.received_at.astimezone(zone).date()
        beside = [
            other
            for person_id in {case.person_id for case in circle.cases.values()}
            for other in everywhere[person_id]
            if other is not circle
        ]
        in_memory[circle.referral_id] = remembered(circle, beside, zone)
        same[circle.referral_id] = recognised(circle, work.named.get(circle.referral_id, ()))
    wanted = {key for key in work.tell if in_memory.get(key) or work.named.get(key)} - work.kept.keys()
    work.kept |= await store.kept(connection, wanted)
    for circle in work.targets:
        _look_for(
            work, circle, in_memory[circle.referral_id], same[circle.referral_id], on[circle.referral_id]
        )
    await identify(work, index)
    found: Found = {}
    for circle in work.targets:
        _adopt(work, circle, same[circle.referral_id])
        children = _add_new(work, circle, in_memory[circle.referral_id], on[circle.referral_id])
        children |= _staff_added(work, circle)
        if children:
            found[circle.referral_id] = children
    return found


async def identify(work: Work, index: Index) -> None:
    """Asks the index, in one call, who all those are who have to be looked for."""
    if work.subjects:
        found = await index.identify(work.unit.connection, work.subjects, work.unit.now)
        for subject in work.subjects:
            work.link(work.circles[subject.referral_id], subject.id, found[subject.id])
        work.subjects.clear()


def _look_for(
    work: Work,
    circle: Circle,
    memory: Mapping[UUID, tuple[UUID, Member]],
    same: Mapping[UUID, UUID],
    on: date,
) -> None:
    kept = work.kept.get(circle.referral_id)
    if kept is None:
        return
    for case_id, (beside, member) in memory.items():
        if circle.person_of(case_id) is None:
            label = label_of_home(circle, beside, member)
            work.subjects.append(found_subject(case_id, circle.referral_id, member, label, kept, INDEX))
    for one in work.named.get(circle.referral_id, ()):
        unknown = circle.person_of(one.subject_id) is None and one.subject_id not in same
        if unknown and (can_be_known(one.person) or may_be_found(one.person, on)):
            label = label_of_home(circle, one.child_id, one.person)
            # Whom one answer lists side by side are different people; two answers may name the same.
            source = f"{one.agency[:59]}-{work.referrals[circle.referral_id].children[one.child_id].number}"
            work.subjects.append(
                found_subject(one.subject_id, circle.referral_id, one.person, label, kept, source)
            )


def _adopt(work: Work, circle: Circle, same: Mapping[UUID, UUID]) -> None:
    """Those who were recognised are the person whom they were recognised as."""
    for subject_id, other in same.items():
        person_id = circle.person_of(other) or (other if other in circle.everybody else None)
        if person_id is not None:
            circle.persons[subject_id] = person_id
            circle.changed = True


def _add_new(
    work: Work, circle: Circle, memory: Mapping[UUID, tuple[UUID, Member]], on: date
) -> dict[UUID, tuple[str, ReferredChild]]:
    kept = work.kept.get(circle.referral_id)
    if kept is None:
        return {}
    addresses = [one.address for one in kept.children.values()] + [one.address for one in kept.shared.adults]
    confidential = any(one is not None and one.confidential for one in addresses)
    found: dict[UUID, tuple[str, ReferredChild]] = {}
    for one in new_among(circle, work.named.get(circle.referral_id, ()), on):
        label = label_of_home(circle, one.child_id, one.person)
        found[one.subject_id] = one.agency, referred(one.person, label, confidential=confidential)
    for case_id, (beside, member) in memory.items():
        surely = circle.persons.get(case_id) == member.person_id
        if surely and member.person_id not in {case.person_id for case in circle.cases.values()}:
            label = label_of_home(circle, beside, member)
            found[case_id] = INDEX, referred(member, label, confidential=confidential)
    for case_id, (origin, child) in found.items():
        work.add_child(circle, case_id, child, origin)
    return found


def _staff_added(work: Work, circle: Circle) -> dict[UUID, tuple[str, ReferredChild]]:
    """Children whom staff added, but those who were there already: they are no children who were found."""
    added = work.staff_added.get(circle.referral_id, {})
    found: dict[UUID, tuple[str, ReferredChild]] = {}
    for case_id, child in added.items():
        person_id = circle.cases[case_id].person_id
        here = as_found(circle.home.children[case_id], None)
        there = [
            other
            for other_id, other in circle.home.children.items()
            if other_id not in added and other_id in circle.cases
        ]
        known = {case.person_id for other_id, case in circle.cases.items() if other_id not in added}
        if person_id not in known and not any(alike(here, as_found(other, None)) for other in there):
            found[case_id] = STAFF, child
    return found
