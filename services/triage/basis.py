"""What an evaluation rests on: the statements known at that moment, and what each agency's silence meant then.

Evidence is only ever added and is numbered, so that its last number says which statements were known. Agencies' states
change, so they are kept with each evaluation, in a few bytes. Together they let an evaluation be derived anew.
"""

import json
from collections.abc import Mapping

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import PARTIAL, PARTLY_UNDERSTOOD, AgencyState
from services.triage.derived.worries import worried_anew
from services.triage.known import Known
from services.triage.policy import ChildFacts, StatedFact
from services.triage.standing import AgencyStanding

_STATES = {state.value: state for state in AgencyState}


def child_facts(dictionary: Dictionary, known: Known, agencies: Mapping[str, AgencyStanding]) -> ChildFacts:
    """What the policy is applied to."""
    states = {agency: standing.state for agency, standing in agencies.items()}
    partly = frozenset(agency for agency, standing in agencies.items() if standing.reason in PARTIAL)
    return ChildFacts(_stated(dictionary, known), states, partly)


def write_states(agencies: Mapping[str, AgencyStanding]) -> str:
    """The agencies' states as text: a JSON object of states, and one of the reasons that tell the states' meaning."""
    states = {agency: standing.state for agency, standing in sorted(agencies.items())}
    reasons = {agency: standing.reason for agency, standing in sorted(agencies.items()) if standing.reason}
    return json.dumps([states, reasons] if reasons else [states], separators=(",", ":"))


def read_states(text: str) -> dict[str, AgencyStanding]:
    """Each agency's state and reason as `write_states` wrote them."""
    states, *rest = json.loads(text)
    # Releases before kept only which agencies' answers were understood in part.
    reasons = dict.fromkeys(rest[0], PARTLY_UNDERSTOOD) if rest and isinstance(rest[0], list) else dict(*rest)
    return {
        agency: AgencyStanding(_STATES.get(state, state), reasons.get(agency))
        for agency, state in states.items()
    }


def read_facts(dictionary: Dictionary, known: Known, states: str) -> ChildFacts:
    """What the policy was applied to: what was known, and the states of `write_states`."""
    return child_facts(dictionary, known, read_states(states))


def _stated(dictionary: Dictionary, known: Known) -> tuple[StatedFact, ...]:
    """Every statement, and how many sources worry now that all of these have spoken."""
    stated = known.stated
    return (*stated, *worried_anew(dictionary, stated, known.speaks_for))
