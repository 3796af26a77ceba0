import json
from pathlib import Path

import pytest
from stdnum.gb import nhs

from cli.samples import EXAMPLES
from cli.smoke import _one_for_each_route
from cli.stories import DEFAULT_CLIENT, Story, StoryError, about_strangers, example_stories, read_story
from libs.schemas.dictionary import load_dictionary
from libs.schemas.levels import Destination
from libs.schemas.referral import Referral
from sandbox.issuer import load_clients

STORIES = example_stories(EXAMPLES)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_each_example_is_a_referral_in_the_dictionarys_words(story: Story) -> None:
    referral = Referral.strictly(json.dumps(story.referral))
    dictionary = load_dictionary(Path("deploy/partnership/facts.yaml"))
    facts = [fact for child in referral.children for fact in child.facts]
    assert [fault for fact in facts if (fault := dictionary.check(fact))] == []
    assert story.client in load_clients()
    # Children who are found come after those whom the referrer named.
    assert len(story.expect) >= len(referral.children)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_nobody_in_an_example_can_be_real(story: Story) -> None:
    referral = Referral.strictly(json.dumps(story.referral))
    for child in referral.children:
        assert child.nhs_number is None or (
            child.nhs_number.startswith("999") and nhs.is_valid(child.nhs_number)
        )
    for contact in referral.referrer.contacts:
        assert contact.email is None or contact.email.endswith("example.org")
        assert contact.phone is None or contact.phone.startswith(("07700 900", "01632 960"))


def test_each_route_has_an_example() -> None:
    assert set(_one_for_each_route(STORIES)) == set(Destination)


def test_the_examples_show_danger_two_children_an_unborn_one_and_words_to_be_read() -> None:
    referrals = [Referral.strictly(json.dumps(story.referral)) for story in STORIES]
    assert any(referral.immediate_danger for referral in referrals)
    assert any(len(referral.children) == 2 for referral in referrals)
    assert any(child.status == "unborn" for referral in referrals for child in referral.children)
    assert any(not child.facts for referral in referrals for child in referral.children)


def test_yaml_keeps_dates_and_yes_and_no_as_the_words_that_they_are() -> None:
    story = read_story("born: {on: 2020-01-02}\nknown: yes\nsure: true\n", name="x")
    assert story.referral == {"born": {"on": "2020-01-02"}, "known": "yes", "sure": True}


def test_a_story_says_who_tells_it_what_it_is_called_and_what_should_become_of_it() -> None:
    told = read_story(
        "# A school tells\n# again. More of it.\n\nfrom: st_ives_primary\nreferral: {worry: x}\n"
        "expect: [masg, early_help]\nafter: 01-school\nsame_person: true\n",
        name="02-again.yaml",
    )
    assert (told.client, told.name, told.title) == ("st_ives_primary", "02-again", "A school tells again")
    assert (told.expect, told.after, told.same_person) == (("masg", "early_help"), "01-school", True)
    bare = read_story("referral: {worry: x}", name="bare.yaml")
    assert (bare.client, bare.expect, bare.after, bare.same_person) == (DEFAULT_CLIENT, (), "", False)


@pytest.mark.parametrize("text", ['{"worry": "x"}', "{worry: x}", "worry: x"])
def test_a_bare_referral_may_be_json_or_yaml(text: str) -> None:
    story = read_story(text, name="x", client="council_form")
    assert (story.client, story.referral) == ("council_form", {"worry": "x"})


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{ not json", "a: [", "from: x\nreferral: 3", "referral: {}\nexpct: []"]
)
def test_what_is_no_story_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StoryError, match="x"):
        read_story(text, name="x")


@pytest.mark.parametrize(
    "text",
    [
        "worry: .inf",
        "worry: !!binary aGVsbG8=",
        "worry: !!set {a, b}",
        "worry: !!timestamp 2020-01-01",
        "worry: &a [*a]",
        '{"worry": NaN}',
        '{"worry": "\\ud800"}',
        '{"worry": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "worry: " + "[" * 3_000 + "]" * 3_000,
        "referral: {}\nreading: words",
        "referral: {}\nexpect: 5",
    ],
    ids=lambda text: text[:24],
)
def test_what_cannot_be_sent_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StoryError, match=r"story\.yaml"):
        read_story(text, name="story.yaml")


def test_a_story_told_of_strangers_names_nobody_whom_it_named_before() -> None:
    for story in example_stories(EXAMPLES):
        told, again = about_strangers(story, "abc"), about_strangers(story, "xyz")
        people = [*story.referral["children"], *story.referral.get("adults", ())]
        names = {person["family_name"] for person in people if person.get("family_name")}
        numbers = {person[key] for person in people for key in ("nhs_number", "upn") if person.get(key)}
        said = json.dumps([told.referral["children"], told.referral.get("adults", [])])
        assert not any(f'"{one}"' in said for one in names | numbers)
        assert told.referral["children"] != again.referral["children"] or not names
        assert story.referral["worry"] == told.referral["worry"]
