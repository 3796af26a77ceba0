"""The board paper says all of the policy, in English, and needs nothing from anywhere to be read."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from services.triage.policy import load_policy, read_texts
from services.triage.policy.check import check
from services.triage.policy.english import case_words, fact_words, listed, within_words
from services.triage.policy.page import (
    Grid,
    Heading,
    Page,
    Points,
    as_fragment,
    as_html,
    as_markdown,
    as_text,
)
from services.triage.policy.paper import board_paper, rule_page
from tests.services.triage.policy.small import TEXTS, changed

PARTNERSHIP = Path(__file__).parents[4] / "deploy" / "partnership"
POLICY = load_policy(TEXTS)
PROOF = check(POLICY)


class Outline(HTMLParser):
    """A page's headings, ids, links and tags, as a reader's software finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        self.addresses += [
            str(found[name]) for name in ("src", "href", "srcset", "action") if found.get(name)
        ]


def test_every_rule_stands_in_the_paper_under_its_domain_with_floor_actions_and_source() -> None:
    text = as_text(board_paper(POLICY, PROOF))
    harm, neglect = text.index("\nPhysical harm\n"), text.index("\nNeglect\n")
    assert harm < text.index("R-1: An injury to a child who cannot move about") < neglect
    start = text.index("R-1: An injury")
    rule = text[start : text.index("R-2: An injury")]
    assert "  - an injury to the child (at least explained)\n  - a child who cannot move about\n" in rule
    assert "At least: section 47, red." in rule
    assert "Immediate danger." in rule
    assert (
        "Obliges:\n  - a strategy discussion (within 4 hours)\n"
        "  - a paediatric opinion (within 24 hours of working time)\n"
    ) in rule
    assert "Source: protocol, page 2." in rule


def test_what_holds_what_a_gap_does_and_what_is_asked_stand_in_the_paper() -> None:
    text = " ".join(as_text(board_paper(POLICY, PROOF)).split())
    assert "No board has adopted this policy." in text
    assert (
        "Level, urgency and what is obliged never fall when any facts get worse proved in 3 readings" in text
    )
    assert "Police: domestic abuse" in text
    assert "not confirmed that a protective adult lives with the child" in text
    assert "the child's age in years: the lowest that it could be" in text
    assert "Can the child move about alone? Why: A bruise counts for more." in text
    assert "G-1: A baby who is hurt is at least section 47" in text
    assert "No rule reads it: it is told to whoever helps" in text
    assert "hurt-baby Story: A baby of four months has a bruise" in text
    assert (
        "At least: section 47, red. Obliges: a strategy discussion (within 4 hours). Status: proved." in text
    )


def test_a_refuted_guarantee_is_told_with_its_case() -> None:
    policy = load_policy(
        changed(
            (
                "when: {all of: [child.injury is at least unexplained, child.non_mobile is yes]}",
                "when: child.injury is at least unexplained",
            )
        )
    )
    text = " ".join(as_text(board_paper(policy, check(policy))).split())
    assert re.search(r"G-1: A baby who is hurt is at least section 47 .{0,160} Status: REFUTED\.", text)
    assert "Smallest case: an injury to the child: unexplained." in text


def test_a_paper_without_a_proof_says_that_nothing_is_proved() -> None:
    text = as_text(board_paper(POLICY))
    assert "Nothing was proved for this page" in text
    assert "Every guarantee holds" not in text
    assert "not tried" in text


def test_another_versions_proof_is_not_taken_for_this_one() -> None:
    other = load_policy(changed(("child.age is under 8", "child.age is under 7")))
    assert "Not of this policy." in as_text(board_paper(other, PROOF))


@pytest.mark.parametrize("texts", [TEXTS, read_texts(PARTNERSHIP)], ids=["small", "shipped"])
def test_the_html_is_one_well_formed_page_that_loads_nothing(texts: dict[str, str]) -> None:
    html = as_html(board_paper(load_policy(texts)))
    page = Outline(html)
    assert html.startswith('<!doctype html>\n<html lang="en-GB">')
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.links) >= 5
    assert all(address.startswith("#") for address in page.addresses)
    assert not page.tags & {"script", "img", "link", "iframe", "form"}
    assert {"main", "nav", "caption"} <= page.tags
    assert "url(" not in html


def test_what_the_files_say_is_text_in_every_format() -> None:
    policy = load_policy(
        changed(
            ("title: An injury that nobody can explain", "title: An <b>injury</b> & *no* story | page"),
            ("cite: thresholds, page 4", "cite: <i>thresholds</i>"),
            ("story: The police came once", "story: The <u>police</u> came once"),
        )
    )
    paper = board_paper(policy)
    assert "An &lt;b&gt;injury&lt;/b&gt; &amp; *no* story | page" in as_html(paper)
    assert "<strong>Source:</strong> &lt;i&gt;thresholds&lt;/i&gt;." in as_html(paper)
    assert "<td>The &lt;u&gt;police&lt;/u&gt; came once" in as_html(paper)
    assert r"An \<b\>injury\</b\> & \*no\* story \| page" in as_markdown(paper)


def test_one_rule_stands_in_full_with_its_smallest_cases() -> None:
    text = " ".join(as_text(rule_page(POLICY, "R-4")).split())
    assert (
        "domestic abuse: medium. Everything else is known and as mild as it can be. Outcome: section 17, amber."
        in text
    )
    assert "police call-outs in a year: 3. Everything else" in text
    rule = " ".join(as_text(rule_page(POLICY, "R-1")).split())
    assert "hurt-baby: A baby of four months" in rule
    assert "G-1: A baby who is hurt" in rule
    with pytest.raises(KeyError):
        rule_page(POLICY, "R-99")


def test_a_nested_list_keeps_its_depth_in_every_format() -> None:
    page = Page((Heading(1, "Lists"), Points(["one", ("two", Points(["three"]))])))
    assert as_text(page).endswith("  - one\n  - two\n    - three\n")
    assert as_markdown(page).endswith("- one\n- two\n  - three\n")
    assert "<li>two<ul>\n<li>three</li>\n</ul>\n</li>" in as_fragment(page)


def test_a_table_that_is_too_wide_for_a_line_is_told_row_by_row() -> None:
    narrow = Grid("Few", ("Name", "Count"), [("one", "1")])
    wide = Grid("Many", ("Name", "Story"), [("one", "once upon a time " * 20)])
    lines = as_text(Page((Heading(1, "Tables"), narrow, wide))).splitlines()
    assert "  Name  Count" in lines
    assert "    Story: once upon a time once upon" in "\n".join(lines)
    assert max(map(len, lines)) <= 100


def test_headings_of_the_same_words_have_links_of_their_own() -> None:
    page = Page((Heading(1, "A"), Heading(2, "Contents"), Heading(2, "B"), Heading(2, "B")))
    ids = Outline(as_fragment(page)).ids
    assert len(ids) == len(set(ids)) == 5


def test_facts_read_as_they_are_at_a_concern() -> None:
    facts = POLICY.dictionary.definitions
    assert fact_words(facts["child.injury"], 2) == "an injury to the child: unexplained"
    assert fact_words(facts["child.age"], 18) == "the child's age in years: 7"
    assert fact_words(facts["child.attendance"], 11) == "attendance at school in per cent: 89"
    assert fact_words(facts["household.call_outs"], 3) == "police call-outs in a year: 3"
    assert (
        fact_words(facts["household.protective_adult"], 1)
        == "not confirmed: a protective adult lives with the child"
    )
    assert (
        fact_words(facts["household.protective_adult"], 0)
        == "confirmed: a protective adult lives with the child"
    )
    assert fact_words(facts["child.left_alone"], 0) == "not so: the child is left alone"
    assert case_words(facts, {"child.age": 0}) == "Every fact is known and as mild as it can be."


def test_lists_and_times_read_as_english() -> None:
    assert [listed("abc"[:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [within_words(minutes, "elapsed") for minutes in (1, 60, 90, 1440, 4320)] == [
        "within 1 minute",
        "within 1 hour",
        "within 90 minutes",
        "within 24 hours",
        "within 3 days",
    ]
    assert within_words(120, "working") == "within 2 hours of working time"
