"""Reads the `dialect` of an agency's file, and refuses what no answer could ever mean."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from libs.schemas.codes import AdultRole
from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, Node, Record, nearest, read_all
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
_DATE_PARTS = {"dd": "%d", "mm": "%m", "yyyy": "%Y"}
_KEYS = {
    "base": True,
    "authentication": True,
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
    dates = record.read("dates", _dates, Dates())
    reader = _Reader(dictionary, dates)
    ask = record.read("ask", reader.ask, None)
    dialect = Dialect(
        base=record.read("base", _path, ""),
        authentication=record.read("authentication", _authentication, Authentication(Scheme.NONE)),
        reference=record.read("reference", Node.words, None),
        dates=dates,
        parts=record.read("parts", _parts, {}),
        ask=ask if ask is not None else Ask("", {}, False, None, None, None),
        sections=record.read("sections", reader.sections, ()),
        refusals=record.read("refusals", reader.refusals, ()),
        nobody=record.read("nobody", _state, None),
        reads=record.read("reads", reader.reads, Reads(None, None, None, None, (), None, {}, {}, None)),
        per_second=record.read("per_second", lambda one: one.whole(1), None),
    )
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
            {"post": True, "body": True, "submitted": False, "pages": False, "state": False, "who": False}
        )
        found = Ask(
            path=record.read("post", _path, ""),
            body=record.read("body", self.template, {}),
            submitted=record.read("submitted", Node.flag, False),
            pages=record.read("pages", self.pages, None),
            states=record.read("state", self.states, None),
            who=record.read("who", self.who, None),
        )
        record.refuse()
        if found.states is None and found.who is None:
            raise DocumentError([f"{node.place}: neither `state` nor `who` says what an answer means"])
        return found

    def template(self, node: Node) -> Template:
        if isinstance(node.value, dict):
            return _each(node, lambda _, one: self.template(one))
        if isinstance(node.value, list):
            return read_all(node.value, self.template)
        return self.expression(node)

    def pages(self, node: Node) -> Pages:
        fields = node.fields({"next": True, "lists": True})
        return Pages(self.expression(fields["next"]), read_all(fields["lists"].items(), Node.words))

    def states(self, node: Node) -> States:
        fields = node.fields({"read": True, "codes": True})

        def state(_: str, one: Node) -> AgencyState | None:
            if one.text() == WORKING:
                return AgencyState.NO_ANSWER
            return None if one.text() == FOUND else _state(one, FOUND, WORKING)

        return States(self.expression(fields["read"]), _each(fields["codes"], state))

    def who(self, node: Node) -> Who:
        keys = ("certain", "family_name", "given_name", "born", "nhs_number", "upn")
        fields = node.fields({"each": True, **dict.fromkeys(keys, False)})
        return Who(
            self.expression(fields["each"]),
            **{key: self.expression(fields[key]) for key in keys if key in fields},
        )

    def sections(self, node: Node) -> tuple[Section, ...]:
        return tuple(_each(node, self._section).values())

    def _section(self, name: str, node: Node) -> Section:
        record = node.record({"get": True, "items": True, "pages": False, "same": False})

        def same(one: Node) -> Mapping[str, tuple[Expression, Expression]]:
            def pair(name: str, own: Node) -> tuple[Expression, Expression]:
                return expression(Node(one.place_of(name), name), self._dates), self.expression(own)

            return _each(one, pair)

        section = Section(
            name=name,
            path=record.read("get", _path, ""),
            items=frozenset(record.read("items", _names, ())),
            pages=record.read("pages", self.pages, None),
            same=record.read("same", same, {}),
        )
        record.refuse()
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
        return _each(node, lambda _, one: self.expression(one))

    def _facts(self, node: Node) -> FactsByCode | FactByValue:
        if "fact" in node.fields():
            return self._by_value(node)
        record = node.record(
            {"each": True, "code": True, "means": True, "on": False, "basis": False, "period": False}
        )
        each, code = (record.read(key, self.expression, None) for key in ("each", "code"))
        means = record.read("means", lambda one: _each(one, self._meaning), {})
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

        return _each(node, value)

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
            _each(fields["codes"], lambda _, one: one.choice(allowed, what)),
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


def _path(node: Node) -> str:
    text = node.words()
    if not text.startswith(("/", "https://", "http://")) or "?" in text or "#" in text:
        raise DocumentError([f"{node.place}: expected a path that begins with `/`, or a whole address"])
    return text.rstrip("/")


def _dates(node: Node) -> Dates:
    form = node.words()
    for part, directive in _DATE_PARTS.items():
        form = form.replace(part, directive)
    if sorted(form.count(directive) for directive in _DATE_PARTS.values()) != [1, 1, 1]:
        raise DocumentError([f"{node.place}: expected a form such as dd/mm/yyyy"])
    return Dates(form)


def _authentication(node: Node) -> Authentication:
    schemes = {
        Scheme.NONE: (),
        Scheme.BEARER: ("secret",),
        Scheme.BASIC: ("client", "secret"),
        Scheme.HEADER: ("header", "secret"),
        Scheme.OAUTH2: ("token", "client", "secret", "scope"),
    }
    members = node.fields()
    if "scheme" not in members:
        raise DocumentError([f"{node.place}: the key `scheme` is missing"])
    scheme = Scheme(members["scheme"].choice([one.value for one in Scheme], "scheme"))
    demanded = dict.fromkeys(("scheme", *schemes[scheme]), True) | (
        {"scope": False} if scheme is Scheme.OAUTH2 else {}
    )
    fields = node.fields(demanded)
    return Authentication(scheme, **{key: one.words() for key, one in fields.items() if key != "scheme"})


def _parts(node: Node) -> Mapping[str, frozenset[str]]:
    return _each(node, lambda _, one: frozenset(_names(one)))


def _names(node: Node) -> tuple[str, ...]:
    return read_all(node.items(), Node.words)


def _each(node: Node, read: Callable[[str, Node], T]) -> dict[str, T]:
    """The members of a mapping, each read. Raises DocumentError with the faults of all that fail."""
    found: dict[str, T] = {}
    record = Record({}, ())
    for name, one in node.fields().items():
        try:
            found[name] = read(name, one)
        except DocumentError as error:
            record.add(*error.faults)
    record.refuse()
    return found


_NOTHING = Expression("null", lambda _: None)
