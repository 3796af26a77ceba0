"""Decides whether a referrer can be told, where, and in which words. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from libs.schemas.challenge import ChallengedChild
from libs.schemas.codes import PROFESSIONAL_ROLES, ReferrerRole, SafeChannel
from libs.schemas.events import DecidedChild
from libs.schemas.levels import Destination
from libs.schemas.notice import NoticeChannel, NoticeKind
from libs.schemas.on_call import Contact
from libs.schemas.referral import SafeContact
from services.notify.documents import AboutChild, Addressed, Recipient, StoredNotice
from services.notify.wording import Wording, Words

CHANNEL_WORDS = {
    NoticeChannel.EMAIL: re.compile(
        r"\be-?mails?\b|\bmail(?:box|s)?\b|\binbox\b|\b(?:gmail|outlook|hotmail)\b"
    ),
    NoticeChannel.SMS: re.compile(r"\bsms\b|\btexts?\b|\btext messages?\b|\b(?:mobile|\w*phone|handset)s?\b"),
}
"""Words that speak of a channel as a whole."""

ANY_CHANNEL = re.compile(r"\bmessag(?:es?|ing)\b")
"""A text that speaks of messages, and of no channel, speaks of every one."""

DIGITS_THAT_NAME = 6
"""Digits of a telephone number's end that name it, however the rest is written or whether it is."""


class Untold(StrEnum):
    """Why a referrer is not told, which is no failure."""

    ANONYMOUS = "anonymous"
    NO_CONTACT = "no_contact"
    NO_USABLE_CHANNEL = "no_usable_channel"
    FORBIDDEN = "forbidden"
    SUSPECT_MAY_READ = "suspect_may_read"
    CONDITIONS = "conditions"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a referrer is told."""

    channel: NoticeChannel
    address: str


def place(recipient: Recipient) -> Place | Untold:
    """The first safe contact that a machine can use, or why there is none.

    What the referrer wrote about where the person thought to harm may read messages is free text, and nothing is
    concluded from it but caution: a contact whose address it names, or whose channel it speaks of, is not used. A
    note on a contact (`not after 17:00`) is a condition that no machine can keep: professionals, who give the
    address of their work, are written to all the same; anybody else is left to a person. A contact of the kind
    `none` anywhere in the list forbids the others.
    """
    if recipient.anonymous:
        return Untold.ANONYMOUS
    if not recipient.contacts:
        return Untold.NO_CONTACT
    if any(contact.channel == SafeChannel.NONE for contact in recipient.contacts):
        return Untold.FORBIDDEN
    reasons: list[Untold] = []
    for contact in recipient.contacts:
        found = _place_of(contact)
        if found is None:
            reasons.append(Untold.NO_USABLE_CHANNEL)
        elif _named(found, recipient.suspect_may_read):
            reasons.append(Untold.SUSPECT_MAY_READ)
        elif contact.note is not None and not _professional(recipient):
            reasons.append(Untold.CONDITIONS)
        else:
            return found
    # What says most about why: a place that is unsafe, then one with conditions.
    return next(each for each in (Untold.SUSPECT_MAY_READ, Untold.CONDITIONS, *reasons) if each in reasons)


def receipt(wording: Wording, where: Place, reference: str) -> StoredNotice:
    """Says that the referral arrived, and what to do if the danger rises."""
    return StoredNotice(shared=_addressed(wording, NoticeKind.RECEIPT, where, reference))


def being_looked_at(wording: Wording, where: Place, reference: str) -> StoredNotice:
    """Says that the hub is looking at the referral."""
    return StoredNotice(shared=_addressed(wording, NoticeKind.BEING_LOOKED_AT, where, reference))


def outcome(
    wording: Wording,
    where: Place,
    reference: str,
    recipient: Recipient,
    children: Sequence[UUID],
    child: UUID,
    decided: DecidedChild,
) -> StoredNotice:
    """Says what was decided for one child, as far as the referrer's role and the person who decided allow.

    `children`: all children of the referral in the order in which the referrer named them.
    """
    told = _words(wording, recipient, decided)
    words = told.words
    if decided.decision > 1 and decided.may_tell_referrer:
        words = f"{wording.changed} {words}"
    about = _about(wording, children, child, words, told.next_step)
    return StoredNotice(
        shared=_addressed(wording, NoticeKind.OUTCOME, where, reference), children={child: about}
    )


def challenge(
    wording: Wording,
    where: Place,
    reference: str,
    recipient: Recipient,
    children: Sequence[UUID],
    child: UUID,
    moved: ChallengedChild,
) -> StoredNotice:
    """Says how far the referrer's challenge has come for one child, as far as their role and the decision allow."""
    told, _ = wording.challenges.told(
        moved.state,
        moved.stage,
        moved.outcome,
        professional=_professional(recipient),
        may_tell=moved.may_tell_referrer,
    )
    about = _about(wording, children, child, told.words, told.next_step)
    return StoredNotice(
        shared=_addressed(wording, NoticeKind.CHALLENGE, where, reference), children={child: about}
    )


def alert(wording: Wording, contact: Contact) -> StoredNotice:
    """Tells somebody who is on call that urgent work waits, and nothing of what it is about."""
    addressed = Addressed(
        channel=contact.channel,
        address=contact.address,
        template=str(wording.alert[contact.channel].id),
        personalisation={"telephone": wording.telephone},
    )
    return StoredNotice(shared=addressed)


def _words(wording: Wording, recipient: Recipient, decided: DecidedChild) -> Words:
    if not decided.may_tell_referrer:
        return wording.looked_at
    if _professional(recipient) and isinstance(decided.destination, Destination):
        return wording.destinations[decided.destination]
    return wording.decided


def _about(wording: Wording, children: Sequence[UUID], child: UUID, words: str, next_step: str) -> AboutChild:
    name = wording.child.one
    if len(children) > 1:
        name = wording.child.several.format(number=children.index(child) + 1, count=len(children))
    return AboutChild(personalisation={"child": name, "words": words, "next_step": next_step})


def _professional(recipient: Recipient) -> bool:
    return isinstance(recipient.role, ReferrerRole) and recipient.role in PROFESSIONAL_ROLES


def _addressed(wording: Wording, kind: NoticeKind, where: Place, reference: str) -> Addressed:
    return Addressed(
        channel=where.channel,
        address=where.address,
        template=str(wording.templates[kind][where.channel].id),
        personalisation={"reference": reference, "telephone": wording.telephone},
    )


def _place_of(contact: SafeContact) -> Place | None:
    if contact.channel == SafeChannel.EMAIL and contact.email:
        return Place(NoticeChannel.EMAIL, contact.email)
    if contact.channel == SafeChannel.SMS and contact.phone:
        return Place(NoticeChannel.SMS, contact.phone)
    return None


def _named(where: Place, text: str | None) -> bool:
    """Whether a text names this address or speaks of its whole channel."""
    if not text:
        return False
    lowered = text.lower()
    if where.address.lower() in lowered or CHANNEL_WORDS[where.channel].search(lowered):
        return True
    if ANY_CHANNEL.search(lowered) and not any(words.search(lowered) for words in CHANNEL_WORDS.values()):
        return True
    if where.channel is NoticeChannel.SMS:
        end = re.sub(r"\D", "", where.address)[-DIGITS_THAT_NAME:]
        return len(end) == DIGITS_THAT_NAME and end in re.sub(r"\D", "", text)
    return False
