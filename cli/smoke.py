"""`mash smoke`: is this running system able to carry a referral for each route from POST to notice?"""

from __future__ import annotations

import string
import time
from random import SystemRandom
from typing import Annotated, Any

import typer

from cli import journey, samples
from cli.client import SOCIAL_WORKER, Client, Refused
from cli.console import explained, out
from cli.options import Data
from cli.state import DATA, NothingRuns, running
from cli.stories import Story, about_strangers, example_stories
from cli.watch import Follower
from libs.schemas.levels import Destination


@explained
def smoke(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
    seconds: Annotated[float, typer.Option(help="How long all of it may take.", min=1)] = 60.0,
    data: Data = DATA,
) -> None:
    """Send one referral for each route, decide it as staff, wait for the delivered notice; status 1 if any fails."""
    console = out()
    try:
        state = running(data)
    except NothingRuns as nothing:
        if as_json:
            # Whoever reads the answer reads this stream alone.
            console.print_json(data={"passed": False, "seconds": 0.0, "routes": [], "reason": str(nothing)})
        raise
    begun = time.monotonic()
    say = (lambda line: None) if as_json else console.print
    results: list[dict[str, Any]] = []
    with Client(state.urls) as client:
        run = "".join(SystemRandom().choices(string.ascii_lowercase, k=8))
        told = [about_strangers(story, run) for story in example_stories(samples.EXAMPLES)]
        stories = _one_for_each_route(told)
        sent: dict[Destination, samples.Sent] = {}
        reason = None
        try:
            for destination, story in stories.items():
                (sent[destination],) = samples.send(client, [story], data, say)
            samples.follow(client, list(sent.values()), Follower(client, say), seconds=seconds)
        except Refused as refused:
            reason = str(refused)
        for destination in stories:
            result = _result(destination, sent.get(destination), reason)
            try:
                result |= _signed(client, sent.get(destination), destination, result)
            except Refused as refused:
                result |= {"passed": False, "reason": str(refused)}
            results.append(result)
    passed = all(result["passed"] for result in results)
    took = round(time.monotonic() - begun, 2)
    if as_json:
        console.print_json(data={"passed": passed, "seconds": took, "routes": results})
    else:
        console.print()
        for result in results:
            mark = "[green]passed[/green]" if result["passed"] else "[red]FAILED[/red]"
            why = "" if result["passed"] else f": {result['reason']}"
            reference = result["reference"] or "not sent"
            signed = ", ".join(result.get("signed_by", ())) or "nobody had to sign"
            after = why or f"  signed: {signed}"
            console.print(f"{mark}  {result['route']:<18} [cyan]{reference}[/cyan]{after}")
    raise typer.Exit(0 if passed else 1)


def _signed(
    client: Client, sent: samples.Sent | None, destination: Destination, result: dict[str, Any]
) -> dict[str, Any]:
    """Who signed the decisions of this route beside the decider; a failure where a signature is missing."""
    if sent is None or not result["passed"] or sent.seen.triage is None:
        return {}
    signers: set[str] = set()
    for child in sent.seen.triage["children"]:
        case, _ = client.case(child["child_id"])
        decision = case["decisions"][-1]
        if decision["destination"] != destination.value:
            continue
        needed = client.authority(case["case_id"], decision["level"], decision["destination"], SOCIAL_WORKER)
        signed = {one["by"] for one in decision["signatures"]}
        if len(signed - {decision["decided_by"]}) < needed["signatures"]:
            return {"passed": False, "reason": "the decision stands without the signature that it needs"}
        signers |= signed
    return {"signed_by": sorted(signers)}


def _decided_for(sent: samples.Sent) -> list[str]:
    """Who helps each child by the decision that stands."""
    children = (sent.seen.triage or {}).get("children", ())
    return [child["decisions"][-1]["destination"] for child in children if child["decisions"]]


def _one_for_each_route(stories: list[Story]) -> dict[Destination, Story]:
    """A story that should be routed there, for each destination. Raises ValueError where there is none."""
    found: dict[Destination, Story] = {}
    for destination in Destination:
        fitting = [story for story in stories if destination.value in story.expect and not story.after]
        found[destination] = min(fitting, key=lambda story: len(story.expect))
    return found


def _result(destination: Destination, sent: samples.Sent | None, refused: str | None) -> dict[str, Any]:
    reason: str | None = None
    if sent is None:
        reason = refused or "not sent"
    elif not sent.finished:
        reason = refused or sent.missing
    elif destination.value not in sent.destinations:
        reason = f"routed to {', '.join(sent.destinations)}"
    elif destination.value not in (decided := _decided_for(sent)):
        reason = f"decided for {', '.join(decided)}"
    elif undelivered := sent.undelivered:
        reason = f"not delivered: {', '.join(undelivered)}"
    elif not journey.has_delivered(sent.seen, "outcome"):
        reason = "the outcome was not delivered: the referrer counts as one who cannot be told"
    return {
        "route": destination.value,
        "reference": sent.reference if sent else None,
        "passed": reason is None,
        **({"reason": reason} if reason else {}),
    }
