"""Times, days and people in the words of the pages."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from libs.schemas.person import Date
from services.enrichment.asking.question import Subject

LONDON = ZoneInfo("Europe/London")


def day_words(day: date) -> str:
    """A day as people write it: 27 March 2026."""
    return f"{day.day} {day:%B %Y}"


def clock_words(instant: datetime) -> str:
    """A moment by the clock on the wall: 27 March 2026, 14:05."""
    local = instant.astimezone(LONDON)
    return f"{day_words(local.date())}, {local:%H:%M}"


def _date_words(value: Date) -> str:
    if value.on is not None:
        return day_words(value.on)
    if value.earliest is None or value.latest is None:
        return ""
    return f"between {day_words(value.earliest)} and {day_words(value.latest)}"


def lines_of(subject: Subject) -> list[tuple[str, str]]:
    """What the question says of somebody, as label and value."""
    name = " ".join(part for part in (subject.given_name, subject.family_name) if part)
    home = [*(subject.address or ()), *([subject.postcode] if subject.postcode else [])]
    told = [
        ("Name", name),
        ("Also known as", ", ".join(subject.also_known_as or ())),
        ("Born", "" if subject.born is None else _date_words(subject.born)),
        ("Expected", "" if subject.expected is None else _date_words(subject.expected)),
        ("Sex", (subject.sex or "").replace("_", " ")),
        ("NHS number", subject.nhs_number or ""),
        ("Unique pupil number", subject.upn or ""),
        ("Address", "\n".join(home)),
        ("School", subject.school or ""),
    ]
    return [(label, value) for label, value in told if value]
