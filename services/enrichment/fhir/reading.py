"""What a patient's resources state, in the words of the policy's dictionary. Free text is kept and never read."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import NOT_UNDERSTOOD, Basis, Fact, FactValue, Period
from services.enrichment.asking.agency import Unreliable
from services.enrichment.fhir.resources import Concept, Finding, day_of
from services.enrichment.fhir.terms import Code, FhirTerms, Meaning, Resource

MAX_FACTS = 200
LONGEST_NARRATIVE = 20_000
"""Characters of what was written; the rest is left with the agency, and the answer counts as partly understood."""

VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"

_VERIFIED = {
    "confirmed": Basis.RECORD,
    "provisional": Basis.SUSPICION,
    "differential": Basis.SUSPICION,
    "unconfirmed": Basis.SUSPICION,
}
_NOT_SO = frozenset(("refuted", "entered-in-error", "cancelled"))
_ACTIVE = frozenset(("active", "recurrence", "relapse"))
_PAST = frozenset(("inactive", "remission", "resolved"))
_FINAL = frozenset(("final", "amended", "corrected"))
_ENCOUNTERS = frozenset(("planned", "arrived", "triaged", "in-progress", "onleave", "finished"))
_SAID_BY = {"Patient": Basis.CHILD_SAID, "RelatedPerson": Basis.PARENT_SAID}
_QUARTER_DAYS, _YEAR_DAYS = 92, 365


@dataclass(frozen=True, slots=True)
class Read:
    """What was understood, what was written, and how often something was not understood, by code."""

    facts: tuple[Fact, ...]
    narrative: str | None
    dropped: Counter[str]


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far a resource may be relied on; `certain` is False where its status is no code of the standard."""

    basis: Basis
    live: bool = False
    certain: bool = True


def read(findings: Iterable[Finding], terms: FhirTerms, dictionary: Dictionary, today: date) -> Read:
    """Reads all resources of a patient. Raises Unreliable for one that cannot be relied on."""
    facts: dict[Fact, None] = {}
    words: list[str] = []
    dropped: Counter[str] = Counter()
    for finding in findings:
        words.extend(_words(finding))
        standing = _standing(finding)
        if standing is None:
            continue
        if not standing.certain:
            dropped["unknown_status"] += 1
        facts.update(dict.fromkeys(_facts(finding, standing, terms, dictionary, today, dropped)))
    if len(facts) > MAX_FACTS:
        raise Unreliable("too_many_facts")
    narrative = "\n\n".join(dict.fromkeys(words)).replace("\0", "").strip()
    if len(narrative) > LONGEST_NARRATIVE:
        dropped["narrative_cut"] += 1
        narrative = narrative[:LONGEST_NARRATIVE].rstrip()
    return Read(tuple(facts), narrative or None, dropped)


def dates(findings: Iterable[Finding]) -> Iterator[date]:
    """Every date on which something happened or was written, at its earliest. Raises Unreliable."""
    for finding in findings:
        # What is planned may lie ahead, and so may the end of what has begun.
        begun = finding.period.start if finding.period and finding.status != "planned" else None
        for text in (finding.recorded_date, finding.effective_date_time, begun):
            if text is not None:
                yield day_of(text)[0]


def _facts(
    finding: Finding,
    standing: _Standing,
    terms: FhirTerms,
    dictionary: Dictionary,
    today: date,
    dropped: Counter[str],
) -> Iterator[Fact]:
    meanings = terms.meanings.get(Resource(finding.resource_type), {})
    codes = [code for concept in _concepts(finding) for code in _codes(concept)]
    if not any(code in meanings or code in terms.without_fact for code in codes):
        dropped["unknown_code"] += 1
    on, whole = _on(finding)
    for meaning in (meanings[code] for code in dict.fromkeys(codes) if code in meanings):
        value = _value(finding, meaning) if standing.certain else None
        if value is None:
            if standing.certain:
                dropped["unknown_value"] += 1
            yield Fact(fact=meaning.fact, value=NOT_UNDERSTOOD, basis=NOT_UNDERSTOOD)
            continue
        fact = Fact(
            fact=meaning.fact,
            value=value,
            basis=standing.basis,
            period=Period.CONTINUING if standing.live else _period(on, today),
            on=on if whole else None,
        )
        fault = dictionary.check(fact)
        if fault is not None:
            dropped[fault.code] += 1
            fact = Fact(fact=meaning.fact, value=NOT_UNDERSTOOD, basis=NOT_UNDERSTOOD)
        yield fact


def _standing(finding: Finding) -> _Standing | None:
    """None for what the agency itself says is not so."""
    match finding.resource_type:
        case "Condition":
            return _condition(finding)
        case "Observation":
            return _observation(finding)
        case "Flag":
            return _plain(finding.status, _ACTIVE, _PAST)
        case "Encounter":
            return _plain(finding.status, frozenset(), _ENCOUNTERS)


def _condition(finding: Finding) -> _Standing | None:
    verified = _code_of(finding.verification_status, VERIFICATION)
    if verified in _NOT_SO:
        return None
    clinical = _code_of(finding.clinical_status, CLINICAL)
    known = (verified is None or verified in _VERIFIED) and (clinical is None or clinical in _ACTIVE | _PAST)
    return _Standing(_VERIFIED.get(verified or "confirmed", Basis.SUSPICION), clinical in _ACTIVE, known)


def _observation(finding: Finding) -> _Standing | None:
    if finding.status in _NOT_SO:
        return None
    if finding.status == "preliminary":
        return _Standing(Basis.SUSPICION)
    kinds = {(one.reference or "").rpartition("/")[0].rpartition("/")[2] for one in finding.performer}
    said = next((_SAID_BY[kind] for kind in sorted(kinds) if kind in _SAID_BY), None)
    basis = said or (Basis.OBSERVED if kinds else Basis.RECORD)
    return _Standing(basis, certain=finding.status in _FINAL)


def _plain(status: str | None, live: frozenset[str], past: frozenset[str]) -> _Standing | None:
    if status in _NOT_SO:
        return None
    return _Standing(Basis.RECORD, status in live, status in live | past)


def _value(finding: Finding, meaning: Meaning) -> FactValue | None:
    """What the resource states of the fact, or None where that cannot be read."""
    if meaning.values is not None:
        concept = finding.value_codeable_concept
        known = (
            [meaning.values[code] for code in _codes(concept) if code in meaning.values] if concept else []
        )
        return known[0] if len(set(known)) == 1 else None
    if meaning.number:
        quantity = finding.value_quantity
        number = finding.value_integer if quantity is None else quantity.value
        return int(number) if number is not None and number == int(number) else None
    if finding.resource_type == "Observation":
        # An observation that says no is told apart from one that says nothing.
        if finding.value_boolean is False:
            return False if meaning.value is True else None
        return meaning.value if finding.value_boolean else None
    return meaning.value


def _concepts(finding: Finding) -> tuple[Concept, ...]:
    return finding.type if finding.code is None else (finding.code,)


def _codes(concept: Concept) -> list[Code]:
    return [Code(one.system, one.code) for one in concept.coding if one.system and one.code]


def _code_of(concept: Concept | None, system: str) -> str | None:
    """The code of a status; a concept of another system, or of none, reads as a status that is not known."""
    if concept is None:
        return None
    return next((one.code for one in concept.coding if one.system == system and one.code), "")


def _on(finding: Finding) -> tuple[date | None, bool]:
    period = finding.period
    text = finding.recorded_date or finding.effective_date_time or (period and period.start)
    return (None, False) if not text else day_of(text)


def _period(on: date | None, today: date) -> Period:
    if on is None:
        return Period.NOW
    days = (today - on).days
    if days <= _QUARTER_DAYS:
        return Period.LAST_3_MONTHS
    return Period.LAST_12_MONTHS if days <= _YEAR_DAYS else Period.LONG_AGO


def _words(finding: Finding) -> Iterator[str]:
    if finding.text is not None:
        text = plain(finding.text.div)
        if text:
            yield text
    yield from (note.text.strip() for note in finding.note if note.text.strip())


class _Plain(HTMLParser):
    """Keeps what a reader of the XHTML would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.seen.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        self.seen.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.seen.append(data)


def plain(xhtml: str) -> str:
    """The text of a narrative, without its markup."""
    parser = _Plain()
    parser.feed(xhtml)
    parser.close()
    return " ".join("".join(parser.seen).split())
