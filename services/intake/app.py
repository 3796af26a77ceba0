"""Intake's composition root."""

from __future__ import annotations

from libs.messaging.ledger import Ledger
from libs.schemas.dictionary import load_dictionary
from services.intake.acceptance import Acceptance
from services.intake.additions import Additions
from services.intake.answers import danger_words
from services.intake.api import Desk
from services.intake.hub import load_hub, load_wording
from services.intake.lookup import Lookup
from services.intake.settings import IntakeSettings


def desk(ledger: Ledger, settings: IntakeSettings) -> Desk:
    """What the operations work with. Raises what the partnership's files are wrong with."""
    directory = settings.partnership_dir
    dictionary = load_dictionary(directory / "facts.yaml")
    hub = load_hub(directory)
    danger = danger_words(hub)
    return Desk(
        Acceptance(ledger, dictionary, danger),
        Additions(ledger, dictionary, danger),
        Lookup(ledger, danger, hub.status, load_wording(directory)),
    )
