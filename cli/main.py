"""The `mash` command."""

from __future__ import annotations

from logging import WARNING

import structlog
import typer

from cli import (
    adoption,
    agency,
    backtest,
    case,
    data,
    decide,
    editing,
    parked,
    policy,
    send,
    settings,
    sharing,
    smoke,
    up,
    watch,
)

app = typer.Typer(
    help="""MASH Triage on this machine: start it, send referrals, follow them, look after what got stuck.

    Start with `mash up`. Everybody in the sandbox is made up.""",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(up.up)
app.command()(send.send)
app.command()(watch.watch)
app.command()(smoke.smoke)
app.command()(send.token)
app.command()(data.migrate)
app.command()(data.rebase)
app.command()(data.reset)
app.command()(settings.settings)
app.add_typer(parked.app, name="parked")
app.add_typer(case.app, name="case")
app.add_typer(sharing.app, name="sharing")
app.add_typer(agency.app, name="agency")
policy.app.command()(decide.decide)
policy.app.command()(editing.new_rule)
policy.app.command()(editing.schema)
app.add_typer(policy.app, name="policy")
policy.app.command()(adoption.register)
policy.app.command()(adoption.adopt)
policy.app.command(name="in-force")(adoption.in_force)
policy.app.command()(adoption.shadow)
policy.app.command()(backtest.backtest)
policy.app.command(name="end-shadow")(adoption.end_shadow)


def main() -> None:
    """Runs the command that the arguments name."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(WARNING))
    app()


if __name__ == "__main__":
    main()
