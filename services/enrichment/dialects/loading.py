"""Reads the `dialect` of an agency's file, and refuses what no answer could ever mean."""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from libs.schemas.codes import AdultRole
from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, Node, nearest, read_all
from libs.schemas.findings import AgencyState, Basis, FactValue, Period
from libs.schemas.person import Relation
from libs.schemas.plans import PlanKind
from services.enrichment.dialects.expressions import Dates, Expression, expression
from services.enrichment.dialects.meaning import value_of
from services.enrichment.dialects.terms import (
    Ask,
    Authentication,
    Coded,
    Dialect,
    FactByValue,
    FactsByCode,
    Pages,
    PeopleRead,
    PlansRead,
    Reads,
    Refusal,
    Scheme,
    Section,
    States,
    Template,
    Who,
)
from services.enrichment.dialects.values import (
    authentication_in,
    dates_in,
    each_in,
    headers_in,
    names_in,
    parts_in,
    path_in,
    query_in,
)

T = TypeVar("T")

FOUND = "found"
"""The word of an answer with which reading goes on."""

WORKING = "working"
"""The word of an answer that is not there yet."""

SAID = {
    state.value: state
    for state in (
        AgencyState.RETURNED,
        AgencyState.NOTHING_HELD,
        AgencyState.OUTSIDE_COVERAGE,
        AgencyState.DECLINED,
    )
}
"""What an agency may say of itself; the other states are the hub's own observations."""

BASES = [basis.value for basis in Basis]
PERIODS = [period.value for period in Period]
WORKER = {"name": True, "team": False, "since": False}
DASH = {"yes": True, "asked": True}
PERSON = (
    "family_name",
    "given_name",
    "also_known_as",
    "born",
    "expected",
    "sex",
    "nhs_number",
    "upn",
    "postcode",
    "same_household",
    "thought_to_harm",
)
_KEYS = {
    "base": True,
    "authentication": True,
    "headers": False,
    "reference": False,
    "dates": False,
    "per_second": False,
    "parts": False,
    "ask": True,
    "sections": False,
    "refusals": False,
    "nobody": False,
    "reads": True,
}


def load_dialect(node: Node, dictionary: Dictionary) -> Dialect:
    """Reads one dialect. Raises DocumentError naming every mistake with its place."""
    record = node.record(_KEYS)
    dates = record.read("dates", dates_in, Dates())
    reader = _Reader(dictionary, dates)
    ask = record.read("ask", reader.ask, None)
    dialect = Dialect(
        base=record.read("base", path_in, ""),
        authentication=record.read("authentication", authentication_in, Authentication(Scheme.NONE)),
        headers=record.read("headers", headers_in, {}),
        reference=record.read("reference", Node.words, None),
        dates=dates,
        parts=record.read("parts", parts_in, {}),
        ask=ask if ask is not None else Ask("", {}, False, None, None, None),
        sections=record.read("sections", reader.sections, ()),
        refusals=record.read("refusals", reader.refusals, ()),
        nobody=record.read("nobody", _state, None),
        reads=record.read("reads", reader.reads, Reads(None, None, None, None, (), None, {}, {}, None)),
        per_second=record.read("per_second", lambda one: one.whole(1), None),
    )
    own = {(dialect.reference or "").lower(), dialect.authentication.header.lower()}
    for name in dialect.headers:
        if name.lower() in own:
            record.add(f"{node.fields()['headers'].place_of(name)}: `{name}` is sent already")
    record.refuse()
    return dialect


def items_of(dialect: Dialect) -> frozenset[str]:
    """Every item of the agreement that some request of the dialect brings."""
    named = [section.items for section in dialect.sections] + list(dialect.parts.values())
    return frozenset().union(*named)


class _Reader:
    """Reads the parts that hold expressions and facts."""

    def __init__(self, dictionary: Dictionary, dates: Dates) -> None:
        self._dictionary = dictionary
        self._dates = dates

    def expression(self, node: Node) -> Expression:
        return expression(node, self._dates)

    def ask(self, node: Node) -> Ask:
        record = node.record(
            {
                "post": True,
                "query": False,
                "body": True,
                "submitted": False,
                "pages": False,
                "state": False,
                "who": False,
            }
        )
        found = Ask(
            path=record.read("post", path_in, ""),
            body=record.read("body", self.template, {}),
            submitted=record.read("submitted", Node.flag, False),
            pages=record.read("pages", self.pages, None),
            states=record.read("state", self.states, None),
            who=record.read("who", self.who, None),
            query=record.read("query", query_in, {}),
        )
        record.refuse()
        if found.submitted and found.pages is not None and found.pages.number:
            place = node.place_of("pages")
            raise DocumentError([f"{place}: what was submitted is fetched from one place: `next` leads on"])
        if found.states is None and found.who is None:
            raise DocumentError([f"{node.place}: neither `state` nor `who` says what an answer means"])
        return found

    def template(self, node: Node) -> Template:
        if isinstance(node.value, dict):
            return each_in(node, lambda _, one: self.template(one))
        if isinstance(node.value, list):
            return read_all(node.value, self.template)
        return self.expression(node)

    def pages(self, node: Node) -> Pages:
        record = node.record({"lists": True, **dict.fromkeys(("next", "number", "more", "first"), False)})
        found = Pages(
            lists=record.read("lists", names_in, ()),
            next=record.read("next", self.expression, None),
            number=record.read("number", Node.words, ""),
            more=record.read("more", self.expression, None),
            first=record.read("first", Node.whole, 1),
        )
        record.refuse()
        given = node.fields().keys() - {"lists"}
        if given != {"next"} and given - {"first"} != {"number", "more"}:
            said = "expected `next`, or `number` with `more`, which tells whether another page follows"
            raise DocumentError([f"{node.place}: {said}"])
        return found

    def states(self, node: Node) -> States:
        fields = node.fields({"read": True, "codes": True})

        def state(_: str, one: Node) -> AgencyState | None:
            if one.text() == WORKING:
                return AgencyState.NO_ANSWER
            return None if one.text() == FOUND else _state(one, FOUND, WORKING)

        return States(self.expression(fields["read"]), each_in(fields["codes"], state))

    def who(self, node: Node) -> Who:
        keys = ("certain", "family_name", "given_name", "born", "nhs_number", "upn")
        fields = node.fields({"each": True, **dict.fromkeys(keys, False)})
        return Who(
            self.expression(fields["each"]),
            **{key: self.expression(fields[key]) for key in keys if key in fields},
        )

    def sections(self, node: Node) -> tuple[Section, ...]:
        return tuple(each_in(node, self._section).values())

    def _section(self, name: str, node: Node) -> Section:
        record = node.record({"get": True, "query": False, "items": True, "pages": False, "same": False})

        def same(one: Node) -> Mapping[str, tuple[Expression, Expression]]:
            def pair(name: str, own: Node) -> tuple[Expression, Expression]:
                return expression(Node(one.place_of(name), name), self._dates), self.expression(own)

            return each_in(one, pair)

        section = Section(
            name=name,
            path=record.read("get", path_in, ""),
            items=frozenset(record.read("items", names_in, ())),
            pages=record.read("pages", self.pages, None),
            same=record.read("same", same, {}),
            query=record.read("query", query_in, {}),
        )
        record.refuse()
        if section.pages is not None and section.pages.number in section.query:
            place = node.fields()["query"].place_of(section.pages.number)
            raise DocumentError([f"{place}: `{section.pages.number}` is the number of the page"])
        return section

    def refusals(self, node: Node) -> tuple[Refusal, ...]:
        def refusal(one: Node) -> Refusal:
            fields = one.fields({"status": True, "when": False, "state": True})
            when = self.expression(fields["when"]) if "when" in fields else None
            return Refusal(fields["status"].whole(400), _state(fields["state"]), when)

        return read_all(node.items(), refusal)

    def reads(self, node: Node) -> Reads:
        single = ("as_of", "coverage_from", "coverage_to", "narrative")
        record = node.record(dict.fromkeys((*single, "facts", "plans", "worker", "dash", "people"), False))
        singles = {key: record.read(key, self.expression, None) for key in single}
        found = Reads(
            **singles,
            facts=record.read("facts", lambda one: read_all(one.items(), self._facts), ()),
            plans=record.read("plans", self._plans, None),
            worker=record.read("worker", partial(self._expressions, WORKER), {}),
            dash=record.read("dash", partial(self._expressions, DASH), {}),
            people=record.read("people", self._people, None),
        )
        record.refuse()
        return found

    def _expressions(self, known: Mapping[str, bool], node: Node) -> Mapping[str, Expression]:
        node.fields(known)
        return each_in(node, lambda _, one: self.expression(one))

    def _facts(self, node: Node) -> FactsByCode | FactByValue:
        if "fact" in node.fields():
            return self._by_value(node)
        record = node.record(
            {"each": True, "code": True, "means": True, "on": False, "basis": False, "period": False}
        )
        each, code = (record.read(key, self.expression, None) for key in ("each", "code"))
        means = record.read("means", lambda one: each_in(one, self._meaning), {})
        found = FactsByCode(
            each=each or _NOTHING,
            code=code or _NOTHING,
            means=means,
            on=record.read("on", self.expression, None),
            basis=record.read("basis", partial(self._coded_or, BASES, "basis"), Basis.RECORD.value),
            period=record.read("period", partial(self._coded_or, PERIODS, "period"), Period.NOW.value),
        )
        record.refuse()
        return found

    def _by_value(self, node: Node) -> FactByValue:
        record = node.record({"fact": True, "value": True, "on": False, "basis": False})
        found = FactByValue(
            fact=record.read("fact", self._fact, ""),
            value=record.read("value", self.expression, None) or _NOTHING,
            on=record.read("on", self.expression, None),
            basis=record.read("basis", lambda one: one.choice(BASES, "basis"), Basis.RECORD.value),
        )
        record.refuse()
        return found

    def _meaning(self, _: str, node: Node) -> Mapping[str, FactValue]:
        """The facts that a code states; `none` where it is known and states none."""
        if node.value == "none":
            return {}

        def value(name: str, one: Node) -> FactValue:
            self._known(name, node.place_of(name))
            return value_of(self._dictionary.definitions[name], one)

        return each_in(node, value)

    def _fact(self, node: Node) -> str:
        self._known(node.words(), node.place)
        return node.words()

    def _known(self, name: str, place: object) -> None:
        if name not in self._dictionary.definitions:
            raise DocumentError(
                [f"{place}: unknown fact `{name}`{nearest(name, self._dictionary.definitions)}"]
            )

    def _coded_or(self, allowed: list[str], what: str, node: Node) -> Coded | str:
        return node.choice(allowed, what) if isinstance(node.value, str) else self._coded(allowed, what, node)

    def _coded(self, allowed: list[str], what: str, node: Node) -> Coded:
        fields = node.fields({"read": True, "codes": True, "otherwise": False})
        return Coded(
            self.expression(fields["read"]),
            each_in(fields["codes"], lambda _, one: one.choice(allowed, what)),
            fields["otherwise"].choice(allowed, what) if "otherwise" in fields else None,
        )

    def _plans(self, node: Node) -> PlansRead:
        fields = node.fields({"each": True, "kind": True, "opened": False, "closed": False})
        return PlansRead(
            self.expression(fields["each"]),
            self._coded([kind.value for kind in PlanKind], "kind of plan", fields["kind"]),
            *(self.expression(fields[key]) if key in fields else None for key in ("opened", "closed")),
        )

    def _people(self, node: Node) -> PeopleRead:
        fields = node.fields({"each": True, "relation": True, "roles": False, **dict.fromkeys(PERSON, False)})
        roles = fields.get("roles")
        return PeopleRead(
            each=self.expression(fields["each"]),
            relation=self._coded([one.value for one in Relation], "relation", fields["relation"]),
            roles=None if roles is None else self._coded([one.value for one in AdultRole], "role", roles),
            fields={key: self.expression(fields[key]) for key in PERSON if key in fields},
        )


def _state(node: Node, *beside: str) -> AgencyState:
    return SAID[node.choice([*SAID, *beside], "state")]


_NOTHING = Expression("null", lambda _: None)
