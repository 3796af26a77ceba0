"""What early help is asked for with a child: the family's agreement, and the Early Help Assessment."""

from libs.messaging.ledger import Unit
from libs.schemas.codes import AgreementAnswer
from libs.schemas.decision import Decision
from libs.schemas.levels import Destination
from services.triage.case import File, Obliged
from services.triage.casework import Casework
from services.triage.desk import Desk
from services.triage.offers.offers import AGREEMENT, ASSESSMENT, Offers

ASSESSED = "family.early_help_assessment_complete"


class EarlyHelp:
    """Raises what is still missing when a child goes to early help, each with a clock of its own."""

    def __init__(self, casework: Casework, offers: Offers) -> None:
        self._casework = casework
        self._offers = offers

    async def decided(self, unit: Unit, desk: Desk, file: File, decision: Decision) -> None:
        """A decision stands. Runs in its unit."""
        if decision.destination != Destination.EARLY_HELP:
            return
        days = self._casework.thresholds.days
        wanted = []
        if file.known.early_help != AgreementAnswer.GIVEN:
            wanted.append(AGREEMENT)
        assessed = any(one.fact.fact == ASSESSED and one.fact.value is True for one in file.known.stated)
        # At step-down the closing plan stands for the assessment.
        if not assessed and not file.known.closing_plan:
            wanted.append(ASSESSMENT)
        for kind in wanted:
            due = days.due(self._offers.early_help[kind], unit.now)
            file.new_actions.append(Obliged(kind, file.case.id, due))
            file.changed = True
