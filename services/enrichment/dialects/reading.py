"""What the documents of an exchange mean: a state, and facts in the words of the dictionary. Pure, trusting nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from pydantic import ValidationError

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import EXISTENCE_ONLY, NOT_UNDERSTOOD, PARTLY_UNDERSTOOD, AgencyState, Fact
from libs.schemas.person import FoundPerson, Relation
from libs.schemas.plans import Dash, Plan, Worker
from services.enrichment.asking.agency import Reply, Unreliable
from services.enrichment.dialects.asking import exact
from services.enrichment.dialects.expressions import Dates, Expression
from services.enrichment.dialects.terms import (
    Coded,
    Dialect,
    FactByValue,
    FactsByCode,
    PeopleRead,
    PlansRead,
    States,
    Who,
)

MAX_FACTS = 200
MAX_PEOPLE = 60
MAX_PLANS = 100
LONGEST_NARRATIVE = 20_000
"""Characters of what was written; the rest stays with the agency, and the answer counts as partly understood."""

LONGEST_CODE = 80


def state_of(states: States, document: Any) -> AgencyState | None:
    """What an answer says of itself; None where it goes on. Raises Unreliable for a word that is not known."""
    word = states.read.of(document)
    if isinstance(word, bool):
        word = "true" if word else "false"
    if not isinstance(word, str | int) or str(word) not in states.codes:
        raise Unreliable("unknown_state")
    return states.codes[str(word)]


def person_found(who: Who, document: Any, person: Mapping[str, Any], dates: Dates) -> dict[str, Any] | None:
    """The one candidate who is certainly meant; None where the agency knows nobody.

    Raises Unreliable where it knows only people who may be meant, several who are, or somebody else, and where the
    candidates are not there at all: an interface that has changed must not read as one that knows nobody.
    """
    said = who.each.of(document)
    if said is None:
        raise Unreliable
    candidates = said if isinstance(said, list) else [said]
    if not candidates:
        return None
    if not all(isinstance(one, dict) for one in candidates):
        raise Unreliable
    certain = (
        candidates if who.certain is None else [one for one in candidates if who.certain.of(one) is True]
    )
    if len(certain) != 1:
        raise Unreliable("not_certain")
    found: dict[str, Any] = certain[0]
    if _contradicts(who, found, person, dates):
        raise Unreliable("about_someone_else")
    return found


def _contradicts(who: Who, found: Any, person: Mapping[str, Any], dates: Dates) -> bool:
    born = None if who.born is None else dates.read(who.born.of(found))
    asked_born = exact(person.get("born"))
    if born is not None and asked_born is not None and born != asked_born:
        return True
    for read, name in ((who.nhs_number, "nhs_number"), (who.upn, "upn")):
        theirs, ours = None if read is None else read.text_of(found), person.get(name)
        if theirs is not None and ours is not None and _plain(theirs) != _plain(ours):
            return True
    numbers = any(
        read is not None and read.text_of(found) is not None and person.get(name) is not None
        for read, name in ((who.nhs_number, "nhs_number"), (who.upn, "upn"))
    )
    if numbers or who.family_name is None or who.given_name is None:
        return False
    # Nothing but names and a birth tells who is meant: another name altogether is somebody else.
    names = {
        _letters(one) for one in (person.get("family_name"), *(person.get("also_known_as") or ())) if one
    }
    theirs = who.family_name.text_of(found)
    given, asked_given = who.given_name.text_of(found), person.get("given_name")
    family_differs = theirs is not None and bool(names) and not any(_letters(theirs) in one for one in names)
    given_differs = (
        given is not None and asked_given is not None and _letters(given)[:1] != _letters(asked_given)[:1]
    )
    return family_differs and given_differs


def _plain(number: str) -> str:
    return number.replace(" ", "").upper()


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@dataclass(slots=True)
class _Read:
    facts: dict[Fact, None] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)


def reply_of(
    dialect: Dialect,
    dictionary: Dictionary,
    documents: Mapping[str, Any],
    latest: date,
    *,
    existence: bool,
) -> Reply:
    """What an agency holds of somebody whom it found. `latest`: no day of an answer may be later.

    `existence`: only whether something is held was asked. Raises Unreliable where the answer cannot be relied on.
    """
    reads, dates = dialect.reads, dialect.dates
    common = framed(dialect, documents, latest)
    if existence:
        return replace(common, state=AgencyState.RETURNED, reason=EXISTENCE_ONLY)
    told = _told(dialect, documents)
    read = _Read()
    for each in reads.facts:
        if isinstance(each, FactsByCode):
            _by_code(each, documents, dates, dictionary, read)
        else:
            _by_value(each, documents, dates, dictionary, read)
    narrative = _narrative(reads.narrative, documents, read.dropped)
    plans = tuple(_plans(reads.plans, documents, dates, read.dropped)) if reads.plans else ()
    people = tuple(_people(reads.people, documents, dates, read.dropped)) if reads.people else ()
    worker = _worker(reads.worker, documents, dates)
    dash = _dash(reads.dash, documents)
    days = [*(fact.on for fact in read.facts), *(plan.opened for plan in plans)]
    if any(day is not None and day > latest for day in days):
        raise Unreliable("future_date")
    if len(read.facts) > MAX_FACTS or len(people) > MAX_PEOPLE or len(plans) > MAX_PLANS:
        raise Unreliable("too_many_facts")
    something = bool(read.facts or narrative or plans or people or worker or dash or read.dropped)
    if not something and (dialect.nobody is None or not told):
        raise Unreliable("empty_answer")
    return replace(
        common,
        state=AgencyState.RETURNED if something else dialect.nobody or AgencyState.RETURNED,
        reason=PARTLY_UNDERSTOOD if read.dropped else None,
        facts=tuple(read.facts),
        narrative=narrative,
        plans=plans,
        people=people,
        worker=worker,
        dash=dash,
        dropped=read.dropped,
    )


def _told(dialect: Dialect, documents: Mapping[str, Any]) -> bool:
    """Whether anything that is read is there, be it an empty list.

    Raises Unreliable where a further request was answered without the list that it is made for: what is not there is
    not empty. An interface that leaves empty lists out is described with an alternative: "list || `[]`".
    """
    reads, told = dialect.reads, False
    lists = [each.each for each in reads.facts if isinstance(each, FactsByCode)]
    lists += [one.each for one in (reads.plans, reads.people) if one is not None]
    sections = {section.name for section in dialect.sections}
    for one in lists:
        there = one.of(documents) is not None
        told = told or there
        if not there and _root(one) in sections & documents.keys():
            raise Unreliable
    return told


def _root(read: Expression) -> str | None:
    """The document that an expression begins with."""
    tree = read.tree
    while tree.get("children"):
        tree = tree["children"][0]
    return str(tree["value"]) if tree.get("type") == "field" else None


def framed(dialect: Dialect, documents: Mapping[str, Any], latest: date) -> Reply:
    """How current an answer is and which dates it covers, without what it says."""
    reads, dates = dialect.reads, dialect.dates
    days = [
        None if one is None else dates.read(_silent(one, documents))
        for one in (reads.as_of, reads.coverage_from, reads.coverage_to)
    ]
    as_of, start, end = days
    if any(day is not None and day > latest for day in days):
        raise Unreliable("future_date")
    if start and end and start > end:
        raise Unreliable
    return Reply(AgencyState.RETURNED, as_of=as_of, coverage_from=start, coverage_to=end)


def _silent(read: Expression, documents: Mapping[str, Any]) -> Any:
    return read.of(documents)


def _by_code(
    each: FactsByCode, documents: Mapping[str, Any], dates: Dates, dictionary: Dictionary, read: _Read
) -> None:
    for member in each.each.list_of(documents):
        said = each.code.of(member)
        codes = said if isinstance(said, list) else [said]
        if not isinstance(member, dict | str) or said is None:
            read.dropped["contract"] += 1
            continue
        on = None if each.on is None else dates.read(each.on.of(member))
        basis, period = (_coded(one, member, read.dropped) for one in (each.basis, each.period))
        for code in codes:
            meaning = each.means.get(str(code)) if isinstance(code, str | int) else None
            if meaning is None:
                read.dropped["unknown_code"] += 1
                continue
            for name, value in meaning.items():
                fact = Fact(fact=name, value=value, basis=basis, period=period or "now", on=on)
                read.facts[fact] = None


def _by_value(
    each: FactByValue, documents: Mapping[str, Any], dates: Dates, dictionary: Dictionary, read: _Read
) -> None:
    value = each.value.of(documents)
    if value is None:
        return
    on = None if each.on is None else dates.read(each.on.of(documents))
    try:
        fact: Fact | None = Fact(fact=each.fact, value=value, basis=each.basis, on=on)
    except ValidationError:
        fact = None
    if fact is None or dictionary.check(fact) is not None:
        # That it says something of the fact is known, and what it says is not: triage reads it as possible.
        read.dropped["unknown_value"] += 1
        fact = Fact(fact=each.fact, value=NOT_UNDERSTOOD, basis=NOT_UNDERSTOOD)
    read.facts[fact] = None


def _coded(coded: Coded | str, member: Any, dropped: Counter[str]) -> str:
    """What a code stands for. One that is not known is told as such: certainty is lowered, and nothing is lost."""
    if isinstance(coded, str):
        return coded
    said = coded.read.of(member)
    if isinstance(said, bool):
        said = "true" if said else "false"
    meant = coded.codes.get(str(said)) if isinstance(said, str | int) else None
    if meant is None:
        meant = coded.otherwise
    if meant is None:
        dropped["unknown_code"] += 1
        return NOT_UNDERSTOOD
    return meant


def _narrative(read: Expression | None, documents: Mapping[str, Any], dropped: Counter[str]) -> str | None:
    if read is None:
        return None
    texts = [one.replace("\0", "").strip() for one in _flat(read.list_of(documents)) if isinstance(one, str)]
    text = "\n\n".join(dict.fromkeys(one for one in texts if one))
    if len(text) > LONGEST_NARRATIVE:
        dropped["narrative_cut"] += 1
        text = text[:LONGEST_NARRATIVE].rstrip()
    return text or None


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _plans(
    read: PlansRead, documents: Mapping[str, Any], dates: Dates, dropped: Counter[str]
) -> Iterator[Plan]:
    for member in read.each.list_of(documents):
        kind = _coded(read.kind, member, dropped)
        opened, closed = (
            None if one is None else dates.read(one.of(member)) for one in (read.opened, read.closed)
        )
        try:
            yield Plan(kind=kind, opened=opened, closed=closed)
        except ValidationError:
            raise Unreliable from None


def _worker(read: Mapping[str, Expression], documents: Mapping[str, Any], dates: Dates) -> Worker | None:
    if not read or (name := read["name"].text_of(documents)) is None:
        return None
    team = read["team"].text_of(documents) if "team" in read else None
    since = dates.read(read["since"].of(documents)) if "since" in read else None
    try:
        return Worker(name=name, team=team, since=since)
    except ValidationError:
        raise Unreliable from None


def _dash(read: Mapping[str, Expression], documents: Mapping[str, Any]) -> Dash | None:
    if not read:
        return None
    yes, asked = (read[name].of(documents) for name in ("yes", "asked"))
    if yes is None and asked is None:
        return None
    try:
        return Dash(yes=yes, asked=asked)
    except ValidationError:
        raise Unreliable from None


def _people(
    read: PeopleRead, documents: Mapping[str, Any], dates: Dates, dropped: Counter[str]
) -> Iterator[FoundPerson]:
    for member in read.each.list_of(documents):
        if not isinstance(member, dict):
            raise Unreliable
        relation = _coded(read.relation, member, Counter())
        fields: dict[str, Any] = {}
        for name, one in read.fields.items():
            if name in ("born", "expected"):
                day = dates.read(one.of(member))
                fields[name] = None if day is None else {"on": day}
            elif name in ("same_household", "thought_to_harm"):
                fields[name] = one.flag_of(member)
            elif name == "also_known_as":
                fields[name] = tuple(str(alias) for alias in one.list_of(member))[:10]
            elif name == "postcode":
                postcode = one.text_of(member)
                fields["address"] = None if postcode is None else {"postcode": postcode}
            else:
                fields[name] = one.text_of(member)
        if read.roles is not None:
            role = _coded(replace(read.roles, otherwise=read.roles.otherwise or ""), member, Counter())
            fields["roles"] = (role,) if role else ()
        if relation == NOT_UNDERSTOOD:
            # Somebody of the home is known, and not who they are: a person looks at them.
            dropped["unknown_code"] += 1
            relation = Relation.OTHER_ADULT.value
        try:
            yield FoundPerson(
                relation=relation, **{name: value for name, value in fields.items() if value is not None}
            )
        except ValidationError:
            raise Unreliable from None
