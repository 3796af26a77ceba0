"""The files of the referrals in hand."""

import gc
from datetime import UTC, datetime
from uuid import uuid4

from services.triage.case import Case, File
from services.triage.desk import Desk

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def test_what_a_batch_knew_is_gone_with_it_and_waits_for_no_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        desk, referral_id = Desk(), uuid4()
        for number in (1, 2):
            desk.add(File(Case(uuid4(), referral_id, None, number, NOW, NOW, "duty")))
        assert [len(file.family) for file in desk.files.values()] == [2, 2]
        del desk
        assert gc.collect() == 0
    finally:
        gc.enable()
