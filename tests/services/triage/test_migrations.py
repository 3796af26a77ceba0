"""What revisions make of the rows that an older release left."""

from importlib import import_module
from uuid import uuid4

import asyncpg

from tests.services.triage.conftest import MONDAY


async def test_each_step_of_an_older_challenge_learns_whose_word_it_is(hub_database: str) -> None:
    revision = import_module("services.triage.migrations.versions.0029_challenge_words")
    connection = await asyncpg.connect(hub_database, server_settings={"search_path": "triage"})
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "ALTER TABLE challenge_step DROP COLUMN agency, DROP COLUMN channel, DROP COLUMN fingerprint"
        )
        school, neighbour = uuid4(), uuid4()
        for one, agency in ((school, "st_ives_primary"), (neighbour, None)):
            await connection.execute(
                "INSERT INTO challenge (id, case_id, referral_id, decision, agency, channel, stage, raised_by,"
                " raised_at, due_at, fingerprint)"
                " VALUES ($1, $1, $1, 1, $2, 'telephone', 'practitioners', 'staff-sw-1', $3, $3, '')",
                one,
                agency,
                MONDAY,
            )
            for number, did, by in (
                (1, "raised", "staff-sw-1"),
                (2, "added", "st_ives_primary"),
                (3, "taken", "staff-mgr-1"),
            ):
                await connection.execute(
                    "INSERT INTO challenge_step (challenge_id, number, did, stage, by, at, document)"
                    " VALUES ($1, $2, $3, 'practitioners', $4, $5, '')",
                    one,
                    number,
                    did,
                    by,
                    MONDAY,
                )
        await connection.execute(revision._SQL)
        rows = await connection.fetch(
            "SELECT challenge_id, did, agency, channel, fingerprint FROM challenge_step ORDER BY number"
        )
    finally:
        await transaction.rollback()
        await connection.close()
    found = {
        one: [tuple(row)[1:] for row in rows if row["challenge_id"] == one] for one in (school, neighbour)
    }
    added, taken = ("added", "st_ives_primary", "system", None), ("taken", None, None, None)
    assert found == {
        school: [("raised", "st_ives_primary", "telephone", None), added, taken],
        neighbour: [("raised", None, "telephone", None), added, taken],
    }
