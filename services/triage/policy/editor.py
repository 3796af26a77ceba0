"""Writes a new rule into the text of `policy.yaml`, in its place, and leaves every other line as it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from libs.schemas.dictionary import NO_NAMES, Names
from libs.schemas.document import DocumentError
from services.triage.policy.loading import load_policy
from services.triage.policy.rules import Policy


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that is to be written: its conditions as they would stand in the file, and how they are put together.

    `together` is `all of`, `any of` or `at least N of`; a single condition stands by itself.
    """

    id: str
    domain: str | None
    title: str
    citation: str
    conditions: Sequence[str]
    together: str
    level: str
    rag: str
    immediate: bool = False
    actions: Sequence[str] = ()


def add_rule(texts: Mapping[str, str], draft: Draft, names: Names = NO_NAMES) -> tuple[str, Policy]:
    """The text of `policy.yaml` with the rule in it, and the policy that it then is.

    The rule stands behind the last one of its domain, or behind the last of all. Raises DocumentError with whatever
    the loader refuses, and where the file's rules are laid out so that none can be put between them.
    """
    text = texts["policy.yaml"]
    before = load_policy(texts, names)
    if not draft.conditions:
        raise DocumentError(["a rule needs a condition"])
    for part in (draft.id, draft.together, draft.level, draft.rag, *draft.conditions, *draft.actions):
        if "\n" in part:
            raise DocumentError(["a rule's id, conditions, floor and actions stand on one line each"])
    lines = text.splitlines(keepends=True)
    line, indent = _place(text, before, draft)
    rules = _rules(text).value
    section = lines[rules[0][0].start_mark.line : _end(rules[-1][1], lines)]
    spaced = any(not one.strip() for one in section)
    rule = "".join(f"{' ' * indent}{one}\n" if one else "\n" for one in _written(draft).splitlines())
    if line and not lines[line - 1].endswith("\n"):
        lines[line - 1] += "\n"
    lines.insert(line, f"\n{rule}" if spaced else rule)
    changed = "".join(lines)
    return changed, load_policy({**texts, "policy.yaml": changed}, names)


def _rules(text: str) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert isinstance(root, yaml.MappingNode)  # the loader has read it
    rules = next(value for key, value in root.value if key.value == "rules")
    if rules.flow_style or not isinstance(rules, yaml.MappingNode):
        place = f"policy.yaml:{rules.start_mark.line + 1}:{rules.start_mark.column + 1}"
        raise DocumentError([f"{place}: the rules stand in braces; a rule is only added to rules on lines"])
    return rules


def _place(text: str, policy: Policy, draft: Draft) -> tuple[int, int]:
    """Before which line the rule is to stand, counting from 0, and how far its id is indented."""
    rules = _rules(text).value
    domains = {rule.id: rule.domain for rule in policy.rules}
    alike = [place for place, (key, _) in enumerate(rules) if domains[key.value] == (draft.domain or "")]
    last = alike[-1] if alike else len(rules) - 1
    return _end(rules[last][1], text.splitlines()) + 1, int(rules[0][0].start_mark.column)


def _end(node: yaml.Node, lines: Sequence[str]) -> int:
    """The last line on which something of a node stands: its end mark may be far below, behind gaps and remarks."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _end(node.value[-1][1], lines)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _end(node.value[-1], lines)
    mark = node.end_mark
    end = int(mark.line if mark.column else mark.line - 1)
    while not lines[end].strip():
        end -= 1
    return end


def _written(draft: Draft) -> str:
    lines = [f"{draft.id}:"]
    if draft.domain:
        lines.append(f"  domain: {_scalar(draft.domain)}")
    lines += [f"  title: {_scalar(draft.title)}", f"  cite: {_scalar(draft.citation)}"]
    if len(draft.conditions) == 1:
        lines.append(f"  when: {draft.conditions[0]}")
    else:
        lines += ["  when:", f"    {draft.together}:"]
        lines += [f"      - {condition}" for condition in draft.conditions]
    lines.append(f"  floor: {{level: {draft.level}, rag: {draft.rag}}}")
    if draft.immediate:
        lines.append("  immediate: yes")
    if draft.actions:
        lines.append(f"  actions: [{', '.join(draft.actions)}]")
    return "\n".join(lines)


def _scalar(text: str) -> str:
    """A text as YAML: plain where it reads the same, else in quotes."""
    try:
        node = yaml.compose(f"text: {text}", Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        node = None
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        value = node.value[0][1]
        if isinstance(value, yaml.ScalarNode) and value.value == text and "\n" not in text:
            return text
    return json.dumps(text, ensure_ascii=False)
