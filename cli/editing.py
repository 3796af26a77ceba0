"""`mash policy new-rule|schema`: help for who writes the policy's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import fail, out
from cli.policy import PARTNERSHIP, Of, folder_of, load, names_beside, texts_of
from libs.schemas.document import DocumentError
from libs.schemas.levels import Level, Rag
from services.triage.policy.editor import Draft, add_rule
from services.triage.policy.rules import Policy
from services.triage.policy.schema import schemas

CONDITION = "Condition, such as `child.left_alone is yes` (empty when there are no more)"


def new_rule(
    id: Annotated[str, typer.Option(prompt="Id, such as MISSING-3D", help="The rule's id.")],
    title: Annotated[str, typer.Option(prompt="Title", help="What it is about, in one line.")],
    cite: Annotated[str, typer.Option(prompt="Where the threshold document says so", help="Its citation.")],
    level: Annotated[Level, typer.Option(prompt="At least which level", help="The floor's level.")],
    rag: Annotated[Rag, typer.Option(prompt="At least which urgency", help="The floor's urgency.")],
    domain: Annotated[
        str | None, typer.Option(help="The threshold document's domain.", show_default=False)
    ] = None,
    when: Annotated[
        list[str] | None,
        typer.Option(
            help="A condition as the file writes it; may be given several times.", show_default=False
        ),
    ] = None,
    together: Annotated[
        str, typer.Option(help="`all of`, `any of` or `at least N of` the conditions.")
    ] = "all of",
    immediate: Annotated[
        bool, typer.Option("--immediate", help="It marks danger that does not wait.")
    ] = False,
    action: Annotated[
        list[str] | None,
        typer.Option(help="An action that it obliges; may be given several times.", show_default=False),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the file with the rule, and write nothing.")
    ] = False,
    folder: Of = PARTNERSHIP,
) -> None:
    """Write a rule into policy.yaml, in its place; what the loader refuses is not written."""
    policy = load(folder)
    if domain is None and policy.domains and when is None:
        domain = _domain(policy)
    conditions = when if when is not None else _conditions()
    draft = Draft(
        id=id,
        domain=domain,
        title=title,
        citation=cite,
        conditions=conditions,
        together=together,
        level=level.value,
        rag=rag.value,
        immediate=immediate,
        actions=action or (),
    )
    try:
        text, changed = add_rule(texts_of(folder), draft, names_beside(folder))
    except DocumentError as error:
        fail("Nothing is written.\n" + "\n".join(error.faults))
    if show:
        typer.echo(text, nl=False)
        return
    file = folder if folder.is_file() else folder_of(folder) / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    rule = next(rule for rule in changed.rules if rule.id == id)
    out().print(f"{escape(id)} stands at {file}:{rule.place.line}. {escape(rule.sentence)}")
    out().print("Next: `mash policy check`.")


def _domain(policy: Policy) -> str:
    for name, label in policy.domains.items():
        out().print(f"  {escape(name)}: {escape(label)}")
    return str(typer.prompt("Domain"))


def _conditions() -> list[str]:
    found: list[str] = []
    while text := str(typer.prompt(CONDITION, default="", show_default=False)).strip():
        found.append(text)
    return found


def schema(
    document: Annotated[
        str | None, typer.Argument(help="One of the files, such as policy.yaml.", show_default=False)
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder to write all of them into.", show_default=False)
    ] = None,
    folder: Of = PARTNERSHIP,
) -> None:
    """Print a file's JSON Schema, or write all: an editor then offers every sentence and underlines the rest."""
    made = schemas(load(folder))
    if document is not None and document not in made:
        fail(f"no schema for `{document}`: there are {', '.join(made)}")
    if into is None:
        typer.echo(json.dumps(made[document] if document is not None else made, ensure_ascii=False, indent=1))
        return
    into.mkdir(parents=True, exist_ok=True)
    for name, one in made.items():
        file = into / f"{name.removesuffix('.yaml')}.schema.json"
        file.write_text(json.dumps(one, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        out().print(str(file))
