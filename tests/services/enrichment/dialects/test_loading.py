"""A dialect that could mean nothing is refused where it stands, with what was probably meant."""

import shutil
from pathlib import Path

import pytest

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError
from services.enrichment.dialects.files import load_dialects
from services.enrichment.dialects.loading import items_of
from services.enrichment.dialects.terms import Dialect
from services.enrichment.partnership import load_agencies
from services.enrichment.sharing.agreement import load_agreement
from tests.services.enrichment.conftest import PARTNERSHIP


def load(tmp_path: Path, name: str, old: str, new: str, dictionary: Dictionary) -> dict[str, Dialect]:
    folder = tmp_path / "agencies"
    shutil.copytree(PARTNERSHIP / "agencies", folder)
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / f"{name}.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return load_dialects(folder, load_agencies(folder), dictionary)


ASSOCIATES = "pages: {next: links.next, lists: [associates]}"
SEARCHED = "{next: links.next, lists: [nominals]}"
NUMBERED = "    pages: {number: page, more: more, lists: []}"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("police", "household.coercive_control", "household.coercive_contrl", "mean `household.coercive_control`"),
        ("police", "domestic_abuse: repeated", "domestic_abuse: repeatd", "did you mean `repeated`"),
        ("police", "child.missing_now: yes", "child.missing_now: often", "expected yes or no"),
        ("police", "links.next", "links..next", "no JMESPath expression"),
        ("police", "day(person.born.on)", "dya(person.born.on)", "Unknown function"),
        ("police", "scheme: oauth2", "scheme: oauth", "did you mean `oauth2`"),
        ("police", "client: mash-hub, ", "", "the key `client` is missing"),
        ("police", "dates: dd/mm/yyyy", "dates: dd/mm/yy", "expected a form such as dd/mm/yyyy"),
        ("police", "HOLDINGS: outside_coverage", "HOLDINGS: unavailable", "unknown state `unavailable`"),
        ("police", "R: record", "R: recrod", "did you mean `record`"),
        ("police", "SIB: sibling", "SIB: sibbling", "did you mean `sibling`"),
        ("police", "post: /v2", "post: v2", "expected a path that begins with `/`"),
        ("police", "post: /v2/nominals/search", "post: /v2/nominals/search?x=1", "expected a path"),
        ("police", SEARCHED, "{lists: [nominals]}", "expected `next`, or `number`"),
        ("police", SEARCHED, "{number: page, lists: [nominals]}", "with `more`"),
        ("police", ASSOCIATES, f"query: {{page: 1}}\n  {NUMBERED}", "`page` is the number"),
        ("police", "  dates:", "  headers: {Authorization: none}\n  dates:", "no header that a file may set"),
        ("police", "  dates:", "  headers: {x-request-reference: 1}\n  dates:", "is sent already"),
        ("education", "    submitted: yes", f"    submitted: yes\n{NUMBERED}", "fetched from one place"),
        ("social_care", "CIN: child_in_need", "CIN: child_in_ned", "did you mean `child_in_need`"),
        ("education", "value: answer.attendance.percent", "valeu: answer.attendance.percent", "did you mean `value`"),
        ("education", "fact: child.attendance_percent", "fact: child.atendance_percent", "did you mean"),
        ("early_help", "    state:\n      read: found", "    stat:\n      read: found", "did you mean `state`"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, dictionary: Dictionary, name: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(DocumentError) as refused:
        load(tmp_path, name, old, new, dictionary)
    assert message in str(refused.value)
    assert f"{name}.yaml:" in str(refused.value)


def test_every_mistake_of_all_files_comes_at_once(tmp_path: Path, dictionary: Dictionary) -> None:
    folder = tmp_path / "agencies"
    shutil.copytree(PARTNERSHIP / "agencies", folder)
    for name, old, new in (
        ("police", "R: record", "R: recrod"),
        ("education", "FOUND: found", "FOUND: fond"),
    ):
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        (folder / f"{name}.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DocumentError) as refused:
        load_dialects(folder, load_agencies(folder), dictionary)
    assert {fault.split(":")[0] for fault in refused.value.faults} == {"police.yaml", "education.yaml"}


def test_what_an_interface_brings_and_what_the_agreement_grants_are_the_same_items(
    dialects: dict[str, Dialect],
) -> None:
    agreement = load_agreement(PARTNERSHIP / "sharing.yaml")
    for name, dialect in dialects.items():
        granted = {line.item for line in agreement.lines if line.agency == name}
        assert granted <= items_of(dialect), name
