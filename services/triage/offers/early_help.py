"""What early help is asked for with a child: the family's agreement, and the Early Help Assessment."""

from libs.messaging.codec import Codec
from libs.messaging.ledger import Unit
from libs.schemas.codes import AgreementAnswer
from libs.schemas.decision import Decision
from libs.schemas.levels import Destination
from services.triage.case import File, Obliged
from services.triage.casework import Casework
from services.triage.desk import Desk
from services.triage.offers.offers import ASSESSMENT, Offers
from services.triage.tasks.finishing import no_longer_needed
from services.triage.tasks.raising import AGREEMENT

ASSESSED = "family.early_help_assessment_complete"


class EarlyHelp:
    """Raises what is still missing when a child goes to early help, each with a clock of its own."""

    def __init__(self, casework: Casework, offers: Offers, codec: Codec) -> None:
        self._casework = casework
        self._offers = offers
        self._codec = codec

    async def decided(self, unit: Unit, desk: Desk, file: File, decision: Decision) -> None:
        """A decision stands. Runs in its unit.

        Where it is for somebody else, nobody asks the family any more whether it agrees to early help; the assessment
        goes on, because a panel asks for it as well.
        """
        if decision.destination != Destination.EARLY_HELP:
            by, note = decision.decided_by, f"Decision {decision.number} is for somebody else."
            await no_longer_needed(unit, self._codec, file.case.id, [AGREEMENT], by, note)
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
            file.case.changed = True
