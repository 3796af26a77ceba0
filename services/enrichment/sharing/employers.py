"""For which agency somebody thought to harm works: referrals name employers as access tokens name agencies."""

from collections.abc import Collection, Mapping


def employed_by(employers: Collection[str], clients: Mapping[str, Collection[str]]) -> frozenset[str]:
    """The agencies that are asked about children and to which one of the employers belongs.

    `clients`: for each agency that is asked, those that tokens name and that belong to it, such as its schools.
    """
    return frozenset(
        agency
        for agency, belonging in clients.items()
        if agency in employers or any(client in employers for client in belonging)
    )
