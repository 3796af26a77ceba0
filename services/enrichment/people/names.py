"""Names as the partnership knows them to vary (`names.yaml`): short forms, spellings, and words that are no names."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, parse_document, read_text
from libs.spelling import words

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of names. Every word in it is in the plain form that `spelling.words` gives."""

    formal: Mapping[str, frozenset[str]]
    """For each short form the names that it is short for."""
    related: Mapping[str, frozenset[str]]
    """For each word the groups, by number, of names that may be one person's."""
    spelt: Mapping[str, str]
    """For each spelling the one that stands for its group."""
    borne_by_siblings: frozenset[str]
    not_names: frozenset[str]
    titles: frozenset[str]
    particles: frozenset[str]
    fingerprint: str
    """Tells two contents apart: blocking keys rest on it."""

    def standing(self, word: str) -> str:
        """The one spelling that stands for all spellings of a name."""
        return self.spelt.get(word, word)

    def formals(self, word: str) -> frozenset[str]:
        """The names that a word may be short for, each in the spelling that stands for it."""
        return self.formal.get(self.standing(word), NOTHING)

    def groups(self, word: str) -> frozenset[str]:
        """The groups of related names that a word, in the spelling that stands for it, belongs to."""
        return self.related.get(word, NOTHING)

    def given(self, text: str | None) -> tuple[str, ...]:
        """The words of a given name; none where it is no name, such as `Baby`."""
        return self._named(text, self.titles)

    def family(self, text: str | None) -> tuple[str, ...]:
        """The words of a family name without what precedes many, such as `de` or `al`."""
        found = self._named(text, self.titles)
        return tuple(word for word in found if word not in self.particles) or found

    def _named(self, text: str | None, without: frozenset[str]) -> tuple[str, ...]:
        if not text:
            return ()
        found = tuple(word for word in words(text) if word not in without)
        return () if all(word in self.not_names or word.isdigit() for word in found) else found


def load_names(path: Path) -> Names:
    """Reads `names.yaml`. Raises DocumentError naming every mistake with its place."""
    return read_names(read_text(path), path.name)


def read_names(text: str, file: str) -> Names:
    """Reads the text of `names.yaml`. Raises DocumentError naming every mistake with its place."""
    keys = (
        "about",
        "short_forms",
        "related",
        "spellings",
        "borne_by_siblings",
        "not_names",
        "titles",
        "particles",
    )
    root = parse_document(text, file).fields(dict.fromkeys(keys, True))
    spelt: dict[str, str] = {}
    related: dict[str, set[str]] = {}
    formal: dict[str, set[str]] = {}

    def spelling(node: Node) -> None:
        group = _words(node, at_least=2)
        for word, place in zip(group, node.items(), strict=True):
            if word in spelt:
                raise DocumentError([f"{place.place}: `{word}` stands in another group of spellings"])
        spelt.update(dict.fromkeys(group, group[0]))

    def relation(number: int, node: Node) -> None:
        for word in _words(node, at_least=2):
            related.setdefault(spelt.get(word, word), set()).add(str(number))

    def short(name: str, node: Node) -> None:
        full = _word(node, name)
        for word, place in zip(_words(node), node.items(), strict=True):
            if word == full:
                raise DocumentError([f"{place.place}: `{word}` is short for itself"])
            formal.setdefault(spelt.get(word, word), set()).add(spelt.get(full, full))

    def flat(name: str, into: dict[str, frozenset[str]]) -> None:
        groups = root[name].items()
        nested = bool(groups) and isinstance(groups[0].value, list)
        found = [word for one in (groups if nested else [root[name]]) for word in _words(one)]
        into[name] = frozenset(found)

    lists: dict[str, frozenset[str]] = {}
    steps = [partial(spelling, node) for node in root["spellings"].items()]
    steps += [partial(flat, name, lists) for name in keys[4:]]
    faults = collect(iter(steps))
    later = [partial(relation, number, node) for number, node in enumerate(root["related"].items())]
    later += [partial(short, name, node) for name, node in root["short_forms"].fields().items()]
    faults += collect(iter(later))
    if faults:
        raise DocumentError(faults)
    return Names(
        formal={word: frozenset(names) for word, names in formal.items()},
        related={word: frozenset(groups) for word, groups in related.items()},
        spelt=spelt,
        borne_by_siblings=frozenset(spelt.get(word, word) for word in lists["borne_by_siblings"]),
        not_names=lists["not_names"],
        titles=lists["titles"],
        particles=lists["particles"],
        fingerprint=sha256(text.encode()).hexdigest()[:12],
    )


def _words(node: Node, at_least: int = 1) -> list[str]:
    items = node.items()
    if len(items) < at_least:
        raise DocumentError([f"{node.place}: expected at least {at_least} names"])
    found = [_word(item, item.text()) for item in items]
    twice = {word for word in found if found.count(word) > 1}
    if twice:
        raise DocumentError([f"{node.place}: `{word}` stands twice" for word in sorted(twice)])
    return found


def _word(node: Node, text: str) -> str:
    if words(text) != (text,):
        plain = " ".join(words(text))
        hint = f"; did you mean `{plain}`?" if plain else ""
        raise DocumentError(
            [f"{node.place}: `{text}` is not one word in small letters without accents{hint}"]
        )
    return text
