"""What the people of the staff are called on the pages, and whom somebody means who fills in a name or an account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from services.triage.console.forms import Faults

WORKERS = frozenset(("worker", "social_worker", "manager"))
"""The roles to which a case or a task may be given."""

RECEIVERS = frozenset(("receiver",))
"""The roles of those who answer for a receiving end."""

HERE = timedelta(days=90)
"""Whoever was not seen for longer is offered no more, and keeps their name where they did something."""


class People:
    """The staff by name, as the API tells them to whoever looks at a page."""

    def __init__(self, items: Iterable[Mapping[str, Any]] = (), now: datetime | None = None) -> None:
        known = {str(one["account"]): one for one in items}
        shared = Counter(str(one["name"]).casefold() for one in known.values())
        self._called = {
            account: f"{one['name']} ({account})" if shared[one["name"].casefold()] > 1 else str(one["name"])
            for account, one in known.items()
        }
        self._accounts = {called.casefold(): account for account, called in self._called.items()}
        self._shared = frozenset(name for name, times in shared.items() if times > 1)
        here = {
            self._called[account]: frozenset(one["roles"])
            for account, one in known.items()
            if now is not None and datetime.fromisoformat(one["seen_at"]) > now - HERE
        }
        self.workers = tuple(called for called, roles in here.items() if WORKERS & roles)
        """What those are called who may be given work."""
        self.receivers = tuple(called for called, roles in here.items() if RECEIVERS & roles)
        """What those are called who accept children."""

    def called(self, account: object) -> str:
        """Somebody's name, with the account where others share it; the account of whoever is not known."""
        return self._called.get(str(account), str(account))

    def account(self, text: str, field: str, faults: Faults) -> str:
        """The account of whom a form names. A name that is nobody's, or several people's, is noted as a fault.

        An account that nobody has signed in with is taken as it is: somebody may be given work before they come.
        """
        if text in self._called:
            return text
        if text.casefold() in self._accounts:
            return self._accounts[text.casefold()]
        if text.casefold() in self._shared:
            faults.add(field, "Several people have this name. Choose one with the account beside it")
        elif " " in text:
            faults.add(field, "Nobody of this name has signed in. Choose a name, or enter the account")
        return text


@pass_context
def person(context: Context, account: object) -> str:
    """The filter: what somebody is called on the page that is shown."""
    people: People = context["people"]
    return people.called(account)
