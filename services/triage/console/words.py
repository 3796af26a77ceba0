"""The console's words: what codes, days and values are called on a page. A code without words of its own is said as it
is, with spaces.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")

LEVELS: Mapping[str, str] = {
    "universal": "Level 1, universal",
    "early_help": "Level 2, early help",
    "targeted": "Level 3, targeted help",
    "section_17": "Level 3, child in need (section 17)",
    "section_47": "Level 4, child protection (section 47)",
}
DESTINATIONS: Mapping[str, str] = {
    "universal_advice": "Universal advice",
    "early_help": "Early help",
    "masg": "Multi-Agency Support Group panel",
    "csc_section_17": "Children’s social care, section 17 assessment",
    "csc_section_47": "Children’s social care, section 47 enquiry",
    "unborn_baby_panel": "Unborn baby panel",
    "access_to_support": "Access to Support panel",
    "assistant_director": "Assistant Director",
    "allocated_worker": "The worker who has the case already",
    "other_authority": "Another local authority",
}
STAGES: Mapping[str, str] = {
    "to_be_read": "To be read",
    "checks": "Checks under way",
    "decision": "To be decided",
    "sign_off": "Waits for a signature",
    "hand_over": "Waits to be accepted",
    "decided": "Decided",
    "closed": "Closed",
    "processing_stopped": "Processing stopped",
}
RAGS: Mapping[str, str] = {"red": "Red", "amber": "Amber", "green": "Green", "blue": "Blue"}
COLOURS: Mapping[str, str] = {"red": "red", "amber": "orange", "green": "green", "blue": "blue"}
BASES: Mapping[str, str] = {
    "observed": "Somebody saw it",
    "child_said": "The child said it",
    "record": "It is on a record",
    "parent_said": "A parent said it",
    "third_party": "Somebody else said it",
    "suspicion": "It is suspected",
}
PERIODS: Mapping[str, str] = {
    "now": "now",
    "continuing": "continuing",
    "last_3_months": "in the last 3 months",
    "last_12_months": "in the last 12 months",
    "long_ago": "long ago",
    "expected": "expected",
}
CLOCKS: Mapping[str, str] = {
    "decision": "Decide by",
    "reading": "Read the words by",
    "urgency": "Act on the rating by",
    "acceptance": "To be accepted by",
    "hand_over": "To be accepted by",
}
ENQUIRIES: Mapping[str, str] = {
    "single": "A section 47 enquiry by social care alone",
    "joint": "A section 47 enquiry by social care and the police",
    "no_enquiry": "No enquiry",
}
"""What a strategy discussion came to."""

DEPARTURES: Mapping[str, str] = {
    "agrees": "Agrees with the recommendation",
    "above": "Above the recommendation",
    "below": "Below the recommendation",
    "elsewhere": "Elsewhere than recommended",
}
_ALL: Mapping[str, str] = {
    **PERIODS,
    **BASES,
    **STAGES,
    **RAGS,
    "marac": "MARAC",
    "masg": "MASG",
    "gp": "GP",
    "lado": "LADO",
    "re_referral": "Re-referral",
    "returned": "Answered",
    "referrer": "The referrer",
    "staff": "The hub’s staff",
    "derived": "Worked out",
    "index": "The hub’s index",
    "not_known": "Not known",
    "sms": "Text message",
    "nhs_number": "NHS number",
    "upn": "Unique pupil number",
    "childrens_social_care_missing": "Children’s social care was missing",
    "police_missing": "The police were missing",
    "health_missing": "Health was missing",
    "joint_without_police": "A joint enquiry without the police",
    "dissent": "Somebody does not agree",
    "caisu_not_told": "Police’s child abuse unit not told",
    "to_be_read": "To be read",
}

SPEAKERS = frozenset(("referrer", "staff", "derived", "index"))
"""Whose word something is where it is no agency's."""

_SEXES: Mapping[str, str] = {"F": "Female", "M": "Male", "U": "Not known"}

_CHANGED: Mapping[str, str] = {
    "evidence": "what is known",
    "answers": "an agency’s answer",
    "evaluation": "the evaluation",
    "decision": "the decision",
    "signing": "the signatures",
}


def words(code: object) -> str:
    """A code of any list, as a label."""
    text = str(code)
    return _ALL.get(text) or sentence(text.replace("_", " ").replace("-", " "))


def sentence(text: str) -> str:
    """A text that begins with a capital."""
    return text[:1].upper() + text[1:]


def inline(text: str) -> str:
    """A label within a sentence: abbreviations stay as they are."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def level(code: object) -> str:
    """A level of need, as the threshold document numbers it."""
    return LEVELS.get(str(code)) or words(code)


def destination(code: object) -> str:
    """Who is to help."""
    return DESTINATIONS.get(str(code)) or words(code)


def clock(code: object) -> str:
    """A clock of a case."""
    text = str(code)
    kind = text.removeprefix("task.")
    return CLOCKS.get(text) or (words(kind) if kind == text else f"Task: {words(kind).lower()}")


def changed(parts: list[str]) -> str:
    """What of a case is new, as a list in words."""
    told = [_CHANGED.get(part, words(part).lower()) for part in parts]
    return told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1] if told else "something"


def day(value: object) -> str:
    """A day as people write it: 27 March 2026."""
    if not value:
        return ""
    on = date.fromisoformat(str(value)[:10])
    return f"{on.day} {on:%B %Y}"


def instant(value: object) -> datetime:
    """A moment of the API in the hub's time."""
    return datetime.fromisoformat(str(value)).astimezone(LONDON)


def when(value: object) -> str:
    """A moment by the clock on the wall: 27 March 2026, 14:05."""
    if not value:
        return ""
    local = instant(value)
    return f"{local.day} {local:%B %Y}, {local:%H:%M}"


def due(value: object, now: datetime) -> str:
    """A moment that is near, as today, tomorrow or yesterday where it is one of these."""
    local = instant(value)
    days = (local.date() - now.astimezone(LONDON).date()).days
    near = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}.get(days)
    return f"{near}, {local:%H:%M}" if near else when(value)


def name(person: Mapping[str, Any] | None) -> str:
    """What somebody is called."""
    if not person:
        return "Not named"
    parts = [person.get("given_name"), person.get("family_name")]
    return " ".join(part for part in parts if part) or "Not named"


def born(value: Mapping[str, Any] | None) -> str:
    """A date that may be uncertain."""
    if not value:
        return "Not known"
    if value.get("on"):
        return day(value["on"])
    return f"Between {day(value.get('earliest'))} and {day(value.get('latest'))}"


def address(value: Mapping[str, Any] | None) -> str:
    """Where somebody lives."""
    if not value:
        return "Not known"
    lines = [*(value.get("lines") or ()), *([value["postcode"]] if value.get("postcode") else [])]
    text = ", ".join(lines) or "Not known"
    return f"{text} (confidential)" if value.get("confidential") else text


def value(stated: object) -> str:
    """What a statement says of its fact."""
    if stated is True:
        return "Yes"
    if stated is False:
        return "No"
    if isinstance(stated, Mapping):
        return f"Between {stated['at_least']} and {stated['at_most']}"
    return sentence(str(stated).replace("_", " "))


def compared(value: object, field: object) -> str:
    """What a possible match is compared by, as people write it."""
    text = str(value or "")
    if field == "born" and len(text) == 10:
        return day(text)
    return _SEXES.get(text, text) if field == "sex" else text


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things: 1 case, 2 cases."""
    return f"{number} {one if number == 1 else many or one + 's'}"
