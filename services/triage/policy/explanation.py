"""What a rule rests on: the statements that made it hold, or what is missing for it to hold and who could say so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.triage.policy.facts import StatedFact
from services.triage.policy.reasons import Findings, compile_reasons
from services.triage.policy.vector import Reading, members

if TYPE_CHECKING:
    from services.triage.policy.rules import Policy


class Explainer:
    """Explains a policy's rules."""

    def __init__(self, policy: "Policy") -> None:
        self._encoder = policy.encoder
        places = self._encoder.places
        self._rules = [compile_reasons(rule.condition, places) for rule in policy.rules]
        self._openings = [compile_reasons(one.condition, places) for one in policy.decisive]
        self._asking: dict[int, int] = {}
        """For each fact that questions ask for the mask of these."""
        for number, one in enumerate(policy.decisive):
            for name in one.ask:
                self._asking[places[name]] = self._asking.get(places[name], 0) | 1 << number
        self._unstated: dict[int, list[Findings]] = {}

    def fired(self, reading: Reading, rule: int) -> tuple[list[StatedFact], int]:
        """What makes a rule hold: of every part that holds, the statements that reach its bound, and the mask of the
        facts that nobody stated and that count as met.
        """
        return self._rules[rule].held(reading.vector[0], reading.statements)

    def rising(self, reading: Reading, rules: Sequence[int]) -> list[tuple[int, Findings]]:
        """Of each of these rules, which could hold and do not: what supports it, what is missing, and who could say
        it.
        """
        definite, possible = reading.vector
        said, lacks, reasons = reading.statements, self._lacks(reading), self._rules
        return [(rule, reasons[rule].lacking(definite, possible, said, lacks)) for rule in rules]

    def _lacks(self, reading: Reading) -> list[Findings]:
        """For each fact, were it not known: that it is missing, and what the questions that ask for it hang on."""
        lacks = self._silence(reading.silent).copy()
        for place in reading.statements:
            if self._encoder.definitions[place].settles:
                lacks[place] = (), 1 << place, 0, 0
        if reading.opened:
            self._ask(reading, lacks)
        return lacks

    def _silence(self, silent: int) -> list[Findings]:
        """What each fact lacks of which nothing is stated while these agencies are silent."""
        lacks = self._unstated.get(silent)
        if lacks is None:
            lacks = self._unstated[silent] = [
                ((), 1 << place, silent & sources, 0) for place, sources in enumerate(self._encoder.sources)
            ]
        return lacks

    def _ask(self, reading: Reading, lacks: list[Findings]) -> None:
        """Adds the questions that are open, and what those hang on that could come to be: who could say what would
        open them.
        """
        before, openings = lacks.copy(), dict[int, Findings]()
        for place, questions in self._asking.items():
            asking = questions & reading.opened
            if not asking or place in reading.statements:
                continue
            _, missing, agencies, _ = lacks[place]
            for number in members(asking & ~reading.asked):
                opening = openings.get(number)
                if opening is None:
                    opening = openings[number] = self._openings[number].lacking(
                        reading.vector[0], reading.unasked, reading.statements, before
                    )
                missing |= opening[1]
                agencies |= opening[2]
            lacks[place] = (), missing, agencies, asking & reading.asked
