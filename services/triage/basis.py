"""What an evaluation rests on: the statements known at that moment, and what each agency's silence meant then.

Evidence is only ever added and is numbered, so that its last number says which statements were known. Agencies' states
change, so they are kept with each evaluation, in a few bytes. Together they let an evaluation be derived anew.
"""

import json
from collections.abc import Mapping

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import PARTLY_UNDERSTOOD, AgencyState
from services.triage.case import AgencyStanding, Known
from services.triage.derived.worries import worried_anew
from services.triage.policy import ChildFacts, StatedFact

_STATES = {state.value: state for state in AgencyState}


def child_facts(dictionary: Dictionary, known: Known, agencies: Mapping[str, AgencyStanding]) -> ChildFacts:
    """What the policy is applied to."""
    states = {agency: standing.state for agency, standing in agencies.items()}
    partly = frozenset(
        agency for agency, standing in agencies.items() if standing.reason == PARTLY_UNDERSTOOD
    )
    return ChildFacts(_stated(dictionary, known), states, partly)


def write_states(facts: ChildFacts) -> str:
    """The agencies' states as text: a JSON object, and a list of those that were only partly understood if any."""
    states = dict(sorted(facts.states.items()))
    found = [states, sorted(facts.partly)] if facts.partly else [states]
    return json.dumps(found, separators=(",", ":"))


def read_facts(dictionary: Dictionary, known: Known, states: str) -> ChildFacts:
    """What the policy was applied to: what was known, and the states of `write_states`."""
    codes, *partly = json.loads(states)
    read = {agency: _STATES.get(state, state) for agency, state in codes.items()}
    return ChildFacts(_stated(dictionary, known), read, frozenset(*partly))


def _stated(dictionary: Dictionary, known: Known) -> tuple[StatedFact, ...]:
    """Every statement, and how many sources worry now that all of these have spoken."""
    return (*known.stated, *worried_anew(dictionary, known.stated, known.speaks_for))
