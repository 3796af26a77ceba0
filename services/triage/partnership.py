"""The partnership's files beside the thresholds: who decides and signs, and which panels meet."""

from dataclasses import dataclass
from pathlib import Path

from libs.schemas.on_call import OnCall, load_on_call
from services.triage.challenges.ladder import Ladder, load_ladder
from services.triage.decision.authority import Authority
from services.triage.decision.loading import load_authority
from services.triage.offers.offers import Offers, load_offers
from services.triage.panels.calendar import Programme
from services.triage.panels.loading import load_programme
from services.triage.thresholds import Thresholds
from services.triage.tools.catalogue import Catalogue, load_catalogue


@dataclass(frozen=True, slots=True)
class Partnership:
    """How a partnership works, beside what it applies to a child."""

    authority: Authority
    programme: Programme
    offers: Offers
    catalogue: Catalogue
    on_call: OnCall
    ladder: Ladder


def load_partnership(folder: Path, thresholds: Thresholds) -> Partnership:
    """Reads the partnership's directory. Raises DocumentError naming every mistake with its place."""
    directory = thresholds.rulebooks.directory
    return Partnership(
        authority=load_authority(folder / "authority.yaml"),
        programme=load_programme(
            folder / "panels.yaml",
            agencies=directory.agencies,
            localities=directory.places.localities,
            actions=directory.policy.actions,
            calendar=thresholds.clocks.calendar,
        ),
        offers=load_offers(folder / "offers.yaml"),
        catalogue=load_catalogue(
            folder / "tools.yaml", directory.policy.actions, directory.policy.dictionary
        ),
        on_call=load_on_call(folder / "on_call.yaml"),
        ladder=load_ladder(folder / "challenge.yaml", folder / "wording.yaml"),
    )
