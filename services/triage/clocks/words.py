"""What a rule says, in words: stored beside every instant that was worked out by it."""

from services.triage.clocks.calendar import Unit
from services.triage.clocks.hub import Hub
from services.triage.clocks.rules import Clock, Length, Moment, Target, WorkingDays


def rule_of(clock: Clock) -> str:
    """A clock's rule as one sentence."""
    starts, stops = in_words(clock.starts), in_words(clock.stops)
    if isinstance(clock.rule, WorkingDays):
        count = clock.rule.count
        days = f"{count} working days" if count > 1 else "one working day"
        length = f"{days}, the day of the start not counted, until the hub closes"
    else:
        length = length_in_words(clock.rule)
    return f"{length}; from the {starts} to the {stops}"


def target_rule_of(target: Target) -> str:
    """A target's rule as one sentence."""
    pauses = "it may pause" if target.pauses else "it never pauses"
    starts, measures = in_words(target.starts), in_words(target.measures)
    return f"{length_in_words(target.length)}; from the {starts} to the {measures}; {pauses}"


def rules_in_words(hub: Hub) -> dict[str, str]:
    """Every rule of the file, by the clock's id and, for targets, by `urgency.` and the rating."""
    clocks = {name: rule_of(clock) for name, clock in hub.clocks.items()}
    return clocks | {f"urgency.{rag.value}": target_rule_of(one) for rag, one in hub.targets.items()}


def length_in_words(length: Length) -> str:
    """How long, and of which time."""
    of = "by the clock" if length.unit is Unit.ELAPSED else "of the hours in which the hub is open"
    return f"{minutes_in_words(length.minutes)} {of}"


def minutes_in_words(minutes: int) -> str:
    """A length of time as people say it: `1 hour and 30 minutes`."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} hour{'s' if hours != 1 else ''}"] if hours else []
    parts += [f"{rest} minute{'s' if rest != 1 else ''}"] if rest else []
    return " and ".join(parts)


def in_words(moment: Moment) -> str:
    """What starts or stops a clock, as people say it."""
    return moment.value.replace("_", " ")
