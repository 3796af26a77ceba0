"""Versions of the shipped policy that differ in a way that every case shows."""

from collections.abc import Mapping
from typing import Any

import yaml

from services.triage.rulebook import Rulebook, make_rulebook


def changed(shipped: Rulebook, **head: Any) -> Rulebook:
    """The shipped policy with other values at the head of `policy.yaml`."""
    return make_rulebook(changed_texts(shipped.policy.texts, **head))


def changed_texts(texts: Mapping[str, str], **head: Any) -> dict[str, str]:
    """The documents of `changed`."""
    document = yaml.load(texts["policy.yaml"], yaml.BaseLoader)  # noqa: S506 - reads texts alone
    document.update(head)
    return {**texts, "policy.yaml": yaml.safe_dump(document, sort_keys=False, allow_unicode=True)}


def stricter(shipped: Rulebook) -> Rulebook:
    """The same where nothing of concern is known: early help, amber."""
    return changed(shipped, version="stricter", default={"level": "early_help", "rag": "amber"})
