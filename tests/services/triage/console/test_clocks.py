"""What the console offers is what the operation takes."""

from services.triage.clocks.record import Because
from services.triage.console.clocks import KINDS


def test_every_kind_of_reason_for_a_clock_that_ran_out_can_be_chosen() -> None:
    assert set(KINDS) == set(Because)
