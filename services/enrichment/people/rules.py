"""The partnership's rules of matching (`matching.yaml`): points, bands, and limits that no score can exceed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, parse_document, read_text
from libs.schemas.people import Band
from services.enrichment.people.births import BornAlike, ExpectedAlike
from services.enrichment.people.likeness import Alike
from services.enrichment.people.places import PlaceAlike

SIMPLE = ("same", "different", "missing")

FIELDS: Mapping[str, tuple[str, ...]] = {
    "given_name": tuple(Alike),
    "family_name": tuple(
        alike
        for alike in Alike
        if alike not in (Alike.SHORT_FORM, Alike.MIDDLE, Alike.RELATED, Alike.INITIAL)
    ),
    "born": tuple(BornAlike),
    "sex": SIMPLE,
    "address": tuple(PlaceAlike),
    "household": SIMPLE,
    "nhs_number": SIMPLE,
    "upn": SIMPLE,
    "mother": ("same", "close", "different", "missing"),
    "expected": tuple(ExpectedAlike),
}
"""The fields that are compared, and how each can agree."""

_BESIDE = frozenset(FIELDS) - {"nhs_number", "upn", "mother", "expected"}
"""What the score of two who were born is made of, where no identifier agrees."""

IDENTIFIERS = ("nhs_number", "upn")

NEVER_SAME: Mapping[str, tuple[str, ...]] = {
    # Twins share all but this.
    "given_name": ("part", "related", "typing", "sound", "initial", "swapped", "different", "missing"),
    "family_name": ("different", "missing"),
    # Same-named cousins, and a father and his son, differ by this.
    "born": tuple(alike for alike in BornAlike if alike is not BornAlike.SAME),
    "sex": ("different",),
    "nhs_number": ("different",),
    "upn": ("different",),
    "mother": ("close", "different", "missing"),
    # A child who was born is not surely the one who was expected: of twins, only one may have been known of.
    "expected": ("born", "near", "different", "missing"),
}
"""What `limits` must keep below `same`: no partnership can switch off what keeps two people apart."""

NEVER_SAME_BY_IDENTIFIER: Mapping[str, tuple[str, ...]] = {
    "given_name": ("different",),
    "born": ("different",),
    "nhs_number": ("different",),
    "upn": ("different",),
}

CONFIRMING = ("address", "household")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules as they were loaded."""

    version: str
    """The file's version with a fingerprint of its text: kept with every link."""
    points: Mapping[str, Mapping[str, int]]
    bands: Mapping[Band, int]
    limits: Mapping[tuple[str, str], Band]
    identifier_limits: Mapping[tuple[str, str], Band]
    confirmed_by: frozenset[tuple[str, str]]

    def hopeless(self, *found: tuple[str, str]) -> bool:
        """Whether a pair cannot be offered by its score, however well all other fields agree."""
        known = {field for field, _ in found}
        most = sum(max(levels.values()) for field, levels in self.points.items() if field in _BESIDE - known)
        return most + sum(self.points[field][level] for field, level in found) < self.bands[Band.POSSIBLE]


def load_rules(path: Path) -> Rules:
    """Reads `matching.yaml`. Raises DocumentError naming every mistake with its place."""
    return read_rules(read_text(path), path.name)


def read_rules(text: str, file: str) -> Rules:
    """Reads the text of `matching.yaml`. Raises DocumentError naming every mistake with its place."""
    keys = ("about", "version", "points", "bands", "limits", "confirmed_by", "identifier_limits")
    root = parse_document(text, file).fields(dict.fromkeys(keys, True))
    found: dict[str, object] = {}

    def read(name: str, how: Callable[[Node], object]) -> None:
        found[name] = how(root[name])

    readers: dict[str, Callable[[Node], object]] = {
        "version": _version,
        "points": _points,
        "bands": _bands,
        "limits": partial(_limits, kept_apart=NEVER_SAME),
        "identifier_limits": partial(_limits, kept_apart=NEVER_SAME_BY_IDENTIFIER),
        "confirmed_by": _confirmed_by,
    }
    faults = collect(partial(read, name, how) for name, how in readers.items())
    if faults:
        raise DocumentError(faults)
    version = f"{found['version']}/{sha256(text.encode()).hexdigest()[:12]}"
    return Rules(version, **{name: found[name] for name in readers if name != "version"})  # type: ignore[arg-type]


def _version(node: Node) -> str:
    text = node.words()
    if len(text) > 40:
        raise DocumentError([f"{node.place}: a version has at most 40 characters"])
    return text


def _points(node: Node) -> dict[str, dict[str, int]]:
    points: dict[str, dict[str, int]] = {}

    def field(name: str, levels: Node) -> None:
        given = levels.fields(dict.fromkeys(FIELDS[name], True))
        points[name] = {level: _number(one) for level, one in given.items()}
        high = [level for level in ("different", "missing") if points[name][level] > 0]
        if high:
            raise DocumentError(
                [
                    f"{given[level].place}: `{level}` cannot speak for one person: expected 0 or less"
                    for level in high
                ]
            )
        best = max(points[name].values())
        if points[name]["same"] < best:
            raise DocumentError([f"{given['same'].place}: nothing speaks more for one person than `same`"])

    faults = collect(
        partial(field, name, levels) for name, levels in node.fields(dict.fromkeys(FIELDS, True)).items()
    )
    if faults:
        raise DocumentError(faults)
    return points


def _number(node: Node) -> int:
    text = node.text()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or not -100 <= int(text) <= 100:
        raise DocumentError([f"{node.place}: expected a whole number from -100 to 100"])
    return int(text)


def _bands(node: Node) -> dict[Band, int]:
    wanted = (Band.SAME, Band.LIKELY, Band.POSSIBLE)
    given = node.fields({band.value: True for band in wanted})
    bands = {band: given[band.value].whole(1) for band in wanted}
    if not 100 >= bands[Band.SAME] > bands[Band.LIKELY] > bands[Band.POSSIBLE]:
        raise DocumentError([f"{node.place}: expected same above likely above possible, and none above 100"])
    return bands


def _limits(node: Node, kept_apart: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, str], Band]:
    limits: dict[tuple[str, str], Band] = {}
    names = [band.value for band in Band]

    def limit(field: str, level: str, at: Node) -> None:
        limits[field, level] = Band(at.choice(names, "band"))
        if limits[field, level] is Band.SAME and level in kept_apart.get(field, ()):
            raise DocumentError([f"{at.place}: `{field}` that is `{level}` must never link by itself"])

    def field(name: str, at: Node) -> None:
        levels = at.fields(dict.fromkeys(FIELDS[name], False))
        faults = collect(partial(limit, name, level, one) for level, one in levels.items())
        faults += [
            f"{at.place}: `{level}` is missing: `{name}` that is `{level}` must never link by itself"
            for level in kept_apart.get(name, ())
            if level not in levels
        ]
        if faults:
            raise DocumentError(faults)

    given = node.fields({name: name in kept_apart for name in FIELDS})
    faults = collect(partial(field, name, at) for name, at in given.items())
    if faults:
        raise DocumentError(faults)
    return limits


def _confirmed_by(node: Node) -> frozenset[tuple[str, str]]:
    given = node.fields(dict.fromkeys(CONFIRMING, False))
    found = frozenset(
        (name, level.choice([one for one in FIELDS[name] if one not in ("different", "missing")], "likeness"))
        for name, levels in given.items()
        for level in levels.items()
    )
    if not found:
        raise DocumentError(
            [f"{node.place}: names and a date of birth are not enough: say what confirms them"]
        )
    return found
