"""Which tools there are, as `tools.yaml` says, and what a record of one may say. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, StrictInt

from libs.schemas.base import Identifier, IsoDate, Line, Model, Text
from libs.schemas.dictionary import STAFF, Dictionary, Kind
from libs.schemas.document import DocumentError, Node, distinct, read_all, read_document
from libs.schemas.findings import Basis, Between, Fact

MOST_QUESTIONS = 200


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool. `results` from the mildest to the gravest."""

    id: str
    label: str
    results: tuple[str, ...]
    cite: str
    questions: int | None = None
    finishes: str | None = None
    """The obliged action that its use answers."""
    states: str | None = None
    """The fact that counts how many of its questions were answered yes."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The partnership's tools."""

    tools: Mapping[str, Tool]


class Answers(Model):
    """How the questions of a tool were answered. A question that was left open is unknown, which is never no."""

    yes: StrictInt = Field(ge=0, le=MOST_QUESTIONS)
    no: StrictInt = Field(ge=0, le=MOST_QUESTIONS)
    unknown: StrictInt = Field(ge=0, le=MOST_QUESTIONS)


class ToolBody(Model):
    """The body of `POST /v1/cases/{id}/tools`."""

    tool: Identifier = Field(description="One of the partnership's tools.")
    on: IsoDate = Field(description="The day on which it was used.")
    by: Line = Field(description="The person who used it, with their role.")
    result: Identifier | None = Field(
        description="One of the tool's results; null where it came to none, which is never the mildest."
    )
    answers: Answers | None = Field(None, description="Demanded where the tool asks a number of questions.")
    note: Text | None = None


class Fault(NamedTuple):
    """Something that a record of a tool may not be, with its place."""

    pointer: str
    code: str
    detail: str


def faults(catalogue: Catalogue, body: ToolBody, today: date) -> Iterator[Fault]:
    """Everything that keeps a record from being taken. `today`: the day that it is in the hub."""
    if body.on > today:
        yield Fault("/on", "in_the_future", "must not be later than today")
    tool = catalogue.tools.get(body.tool)
    if tool is None:
        yield Fault("/tool", "unknown_tool", f"must be one of {', '.join(catalogue.tools)}")
        return
    if body.result is not None and body.result not in tool.results:
        yield Fault("/result", "unknown_result", f"must be one of {', '.join(tool.results)}, or null")
    if tool.questions is None:
        if body.answers is not None:
            yield Fault("/answers", "no_questions", "must be absent: the tool counts no questions")
    elif body.answers is None:
        yield Fault("/answers", "missing", f"is needed: how its {tool.questions} questions were answered")
    elif body.answers.yes + body.answers.no + body.answers.unknown != tool.questions:
        yield Fault("/answers", "wrong_sum", f"must add up to the tool's {tool.questions} questions")


def could_be_graver(tool: Tool | None, result: str | None, answers: Answers | None) -> bool:
    """Whether what was left open could make the result graver: unknown is never no."""
    if result is None:
        return True
    gravest = tool is not None and result == tool.results[-1]
    return not gravest and answers is not None and answers.unknown > 0


def stated(tool: Tool, body: ToolBody) -> Fact | None:
    """What the answers state of the child: a question that was left open may be a yes. None where the tool counts for
    no fact. What a person judged it to come to, its result, stands on record and is no fact.
    """
    if tool.states is None or body.answers is None:
        return None
    yes, unknown = body.answers.yes, body.answers.unknown
    value = Between(at_least=yes, at_most=yes + unknown) if unknown else yes
    return Fact(fact=tool.states, value=value, basis=Basis.RECORD, on=body.on)


def load_catalogue(path: Path, actions: Collection[str], dictionary: Dictionary) -> Catalogue:
    """Reads and checks `tools.yaml`; `actions` are those of `actions.yaml`. Raises DocumentError naming every mistake
    with its place.
    """
    root = read_document(path).fields({"about": True, "tools": True})
    named = root["tools"].fields()
    if not named:
        raise DocumentError([f"{root['tools'].place}: there is no tool"])
    names = {id(node): name for name, node in named.items()}
    tools = read_all(named.values(), lambda node: _tool(names[id(node)], node, actions, dictionary))
    return Catalogue({tool.id: tool for tool in tools})


def _tool(name: str, node: Node, actions: Collection[str], dictionary: Dictionary) -> Tool:
    optional = dict.fromkeys(("questions", "finishes", "states"), False)
    fields = node.fields({"label": True, "results": True, "cite": True, **optional})
    results = distinct(fields["results"], tuple(one.words() for one in fields["results"].items()))
    if not results:
        raise DocumentError([f"{fields['results'].place}: a tool comes to something"])
    questions = fields["questions"].whole(1) if "questions" in fields else None
    if questions is not None and questions > MOST_QUESTIONS:
        raise DocumentError([f"{fields['questions'].place}: at most {MOST_QUESTIONS} questions"])
    finishes = fields["finishes"].choice(list(actions), "action") if "finishes" in fields else None
    states = _states(fields["states"], questions, dictionary) if "states" in fields else None
    return Tool(name, fields["label"].words(), results, fields["cite"].words(), questions, finishes, states)


def _states(node: Node, questions: int | None, dictionary: Dictionary) -> str:
    """A count of just as many as there are questions, which staff may state."""
    counts = [
        name
        for name, one in dictionary.definitions.items()
        if one.kind is Kind.COUNT and one.maximum == questions and STAFF in one.sources
    ]
    if not counts:
        raise DocumentError(
            [f"{node.place}: staff may state no fact that counts to the number of the tool's questions"]
        )
    return node.choice(counts, "count of so many questions")
