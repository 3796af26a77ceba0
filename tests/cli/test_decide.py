"""`mash policy decide` on good files and on faulty ones, as a person runs it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from typer.testing import CliRunner, Result

from cli.decide import PLACES
from cli.main import app
from cli.samples import EXAMPLES
from libs.schemas.levels import Destination, Level, Rag
from services.triage.policy import load_policy, read_texts

AGENCIES = load_policy(read_texts(Path(__file__).parents[2] / "deploy" / "partnership")).dictionary.agencies

WORKED = EXAMPLES / "decide"
NOW = "2026-11-25T09:00:00Z"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", "decide", *arguments])


def decide(file: Path, *arguments: str) -> dict[str, Any]:
    result = run(str(file), "--at", NOW, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def written(folder: Path, text: str, name: str = "facts.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_baby_with_a_bruise_is_section_47_and_red_whatever_the_parents_say_and_refuse() -> None:
    found = decide(WORKED / "baby-with-a-bruise.yaml")
    baby, brother = found["children"]
    assert (baby["level"], baby["destination"], baby["rag"]) == ("section_47", "csc_section_47", "red")
    assert {"strategy_discussion", "same_day_paediatric_opinion"} <= {one["id"] for one in baby["actions"]}
    evidence = {one["fact"]: one["source"] for rule in baby["rules"] for one in rule["evidence"]}
    assert (evidence["child.injury"], evidence["child.non_mobile"]) == ("referrer", "derived")
    assert brother["worked_out"][0]["id"] == "child.age"
    assert brother["worked_out"][0]["value"] == {"at_least": 2, "at_most": 4}
    assert found["times"]["decision"] == {"at": "2026-11-23T17:30:00Z", "over": True}
    assert found["times"]["urgency"]["at"] == "2026-11-20T21:45:00Z"
    assert "police" in {one["agency"] for one in found["chase"]}
    assert found["siblings_differ"]


def test_the_third_report_of_neglect_counts_what_came_before_and_hands_the_sister_over() -> None:
    found = decide(WORKED / "third-report-of-neglect.yaml")
    ada, sister = found["children"]
    assert ada["level"] == "section_17"
    assert ada["repeat"] == "re_referral"
    assert [one["on"] for one in ada["earlier"]] == ["2026-02-16", "2026-10-05"]
    assert sister["destination"] == "other_authority"
    steps = {one["id"] for one in sister["next_steps"]}
    assert {"transfer_same_day", "open_until_home_authority_confirms"} <= steps
    assert found["duties"]["told"] == "which kind of help was decided"


@pytest.mark.parametrize("file", sorted(WORKED.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_worked_example_reads_as_a_page(file: Path) -> None:
    result = run(str(file), "--at", NOW)
    assert result.exit_code == 0
    assert "A named person decides." in result.stdout
    assert "because" in result.stdout


@pytest.mark.parametrize("file", sorted(WORKED.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_page_says_of_time_wishes_and_rises_what_the_answer_says(file: Path) -> None:
    found, page = decide(file), run(str(file), "--at", NOW).stdout
    times = [found["times"]["decision"], found["times"]["urgency"], found["times"]["reading"]]
    assert page.count("(over)") == sum(one["over"] for one in times if one is not None)
    assert ("No board has adopted this policy." in page) == (found["sign_off"] == "none")
    levels = [Level(child["level"]) for child in found["children"]]
    wish = found["level_asked"]
    assert ("which lowers nothing" in page) == (wish is not None and Level(wish) < max(levels))
    _, *children = page.split("\n\n")
    for level, child, shown in zip(levels, found["children"], children, strict=False):
        for one in child["could_rise"]:
            rises = Level(one["level"]) > level or Rag(one["rag"]) > Rag(child["rag"])
            hangs = sorted({*child["waiting_on"]} & {*one["agencies"]}) + one["questions"]
            rules = ", ".join(rule["id"] for rule in one["rules"])
            assert (f"hangs on {', '.join(hangs)} ({rules})\n" in shown) == bool(rises and hangs)
        days = {seen["on"] for rule in child["rules"] for seen in rule["evidence"]}
        assert all(f", {day})" in shown for day in days - {None})
        since = ", ".join(f"{one['on']} {one['reference'] or ''}".strip() for one in child["earlier"])
        assert child["repeat"] == "first" or f" of {since}\n" in shown
    assert "None" not in page


GUIDE = (Path(__file__).parents[2] / "docs" / "decide.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
def test_what_the_guide_shows_is_understood(tmp_path: Path, text: str) -> None:
    assert decide(written(tmp_path, text))["children"]


def test_what_the_guide_says_that_is_printed_is_printed() -> None:
    ((file, at),) = re.findall(r"^mash policy decide \S*/(\S+) --at (\S+)$", GUIDE, re.MULTILINE)
    (block,) = re.findall(r"^```\n(Policy .*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    page = iter(run(str(WORKED / file), "--at", at).stdout.splitlines())
    for line in filter(None, block.splitlines()):
        begins = line.partition("…")[0]
        assert any(printed.startswith(begins) if "…" in line else printed == line for printed in page), line


def test_what_the_guide_says_of_mistakes_is_what_is_said_of_them(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```\n(facts\.yaml:.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    facts = "child.age: 4\nchild.hunger: persistant\nanswers: {health: nothing_hold}\n"
    assert run(str(written(tmp_path, facts))).stderr == block


def test_every_destination_has_a_name_that_staff_use() -> None:
    assert set(PLACES) == set(Destination)
    assert len(set(PLACES.values())) == len(PLACES)


def test_one_childs_facts_may_stand_bare(tmp_path: Path) -> None:
    found = decide(written(tmp_path, "child.age: 4\nchild.hunger: persistent\nanswers: {police: pending}\n"))
    (child,) = found["children"]
    assert child["level"] == "section_17"
    assert child["agencies"]["police"] == "pending"
    assert found["received_at"] == NOW


def test_the_same_facts_as_json_and_with_more_said_of_them(tmp_path: Path) -> None:
    facts = {
        "child.hunger": {"value": "persistent", "source": "health", "basis": "record", "on": "2026-11-01"}
    }
    found = decide(written(tmp_path, json.dumps({"child.age": 4, "facts": facts}, indent="\t"), "facts.json"))
    (evidence,) = found["children"][0]["rules"][0]["evidence"]
    assert (evidence["source"], evidence["basis"], evidence["on"]) == ("health", "record", "2026-11-01")


def test_a_score_of_which_not_all_was_asked_stays_within_bounds(tmp_path: Path) -> None:
    answers = ", ".join(f"{agency}: nothing_held" for agency in AGENCIES)
    facts = f"family.services_needed_together: 1 to 5\nanswers: {{{answers}}}\n"
    (child,) = decide(written(tmp_path, facts))["children"]
    assert (child["level"], child["could_rise_to"]) == ("universal", "targeted")


FAULTY = """\
received_at: yesterday
chanel: telephone
level_asked: earlyhelp
referrer: {role: teecher, anonymous: perhaps}
agreement: {early_help: refussed}
answers: {polce: nothing_held, health: nothing_hold}
earlier:
  - {decided_on: 2026-02-17, kind: new_wory}
children:
  - name: Tom
    born: {earliest: 2020-01-01}
    facts:
      child.hungar: persistent
      child.hunger: persistant
      child.age: {value: 4 to 6, source: helth, basis: obseved, period: noww, vlue: 3}
      child.attendance_percent: many
      child.left_alone: maybe
      child.injury: [{value: inflicted, on: 2026-13-01}, {source: health}]
    plans: [{kind: child_in_ned, opened: 2026-02-01}]
"""


NAMED = """\
facts.yaml:1:14: `received_at`: must be an RFC 3339 time with its offset
facts.yaml:2:9: unknown key `chanel`; did you mean `channel`?
facts.yaml:3:14: unknown level_asked `earlyhelp`; did you mean `early_help`?
facts.yaml:4:18: unknown role `teecher`; did you mean `teacher`?
facts.yaml:4:38: `anonymous`: input should be a valid boolean
facts.yaml:5:25: unknown early_help `refussed`; did you mean `refused`?
facts.yaml:6:18: unknown agency `polce`; did you mean `police`?
facts.yaml:6:40: unknown state `nothing_hold`; did you mean `nothing_held`?
facts.yaml:8:5: the key `on` is missing
facts.yaml:8:36: unknown kind `new_wory`; did you mean `new_worry`?
facts.yaml:11:11: `born`: must have `earliest` on or before `latest`
facts.yaml:13:21: unknown fact `child.hungar`; did you mean `child.hunger`?
facts.yaml:14:21: unknown value `persistant`: `child.hunger` must be one of: none, occasional, persistent, no_food; did you mean `persistent`?
facts.yaml:15:42: unknown source `helth`; did you mean `health`?
facts.yaml:15:56: unknown basis `obseved`; did you mean `observed`?
facts.yaml:15:73: unknown period `noww`; did you mean `now`?
facts.yaml:15:85: unknown key `vlue`; did you mean `value`?
facts.yaml:16:33: unknown value `many`: `child.attendance_percent` must be a whole number from 0 to 100, or bounds such as `7 to 21`
facts.yaml:17:25: unknown value `maybe`: `child.left_alone` must be yes or no
facts.yaml:18:45: `on`: input should be a valid date or datetime, month value is outside expected range of 1-12
facts.yaml:18:58: `child.injury` needs a `value`
facts.yaml:19:20: unknown kind `child_in_ned`; did you mean `child_in_need`?
"""  # noqa: E501 - a line for each mistake, as it is printed


def test_every_mistake_is_named_with_its_place_at_once_and_nothing_is_decided(tmp_path: Path) -> None:
    result = run(str(written(tmp_path, FAULTY)), "--at", NOW)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[-1] == "Nothing was decided."
    assert lines[:-1] == NAMED.splitlines()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("child.age: [\n", "not YAML"),
        ("", "the file is empty"),
        ("[1, 2]\n", "expected keys and values"),
        ("child.hunger: none\nchild.hunger: occasional\n", "stands twice"),
        ("child.hunger: none\nfacts: {child.hunger: occasional}\n", "`child.hunger` stands twice"),
        ("children: []\n", "children"),
        ("children: yes\n", "children"),
        ("children: [{facts: yes}]\n", "expected each fact with its value"),
        ("answers: pending\nchild.age: 4\n", "expected each agency with its state"),
        ("child.age: {value: {a: b}}\n", "unknown value"),
        ("child.age: 30\n", "whole number from 0 to 25"),
        ("child.age: 9 to 4\n", "whole number from 0 to 25"),
        ("status: unborn\nborn: 2026-01-01\n", "must have `expected`, not `born`"),
        ("born: 2026-01-01\nexpected: 2027-01-01\n", "never both"),
        ("plans: [{kind: looked_after, opened: 2026-02-01, closed: 2026-01-01}]\n", "on or before `closed`"),
        ("dash: {yes: 12, asked: 10}\nchild.age: 4\n", "must have at least as many questions"),
    ],
)
def test_what_is_no_referral_is_refused_in_a_sentence_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    result = run(str(written(tmp_path, text)))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.startswith("facts.yaml:")


def test_a_file_that_cannot_be_read_decides_nothing(tmp_path: Path) -> None:
    assert run(str(tmp_path / "absent.yaml")).exit_code == 2
    (tmp_path / "latin.yaml").write_bytes(b"worry: caf\xe9\n")
    assert "no text in UTF-8" in run(str(tmp_path / "latin.yaml")).stderr


@pytest.mark.parametrize("at", ["yesterday", "2026-11-25", "2026-11-25T09:00:00"])
def test_a_time_without_an_offset_is_refused(tmp_path: Path, at: str) -> None:
    result = run(str(written(tmp_path, "child.age: 4\n")), "--at", at)
    assert result.exit_code == 2


def test_the_schema_describes_the_worked_examples_and_the_answer() -> None:
    result = run("--schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    jsonschema_rs.meta.validate(schema["input"])
    answer = jsonschema_rs.validator_for(schema["output"])
    for file in WORKED.glob("*.yaml"):
        answer.validate(decide(file))
    statements = schema["input"]["$defs"]["PictureChild"]["properties"]["facts"]["additionalProperties"]
    assert len(statements["anyOf"]) == 3


def test_a_command_without_a_file_says_what_it_wants() -> None:
    assert run().exit_code == 2
