"""The settings that an operator reads about are those that the services check."""

from pathlib import Path

from cli.settings import SERVICES, page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run `mash settings > docs/settings.md`"


def test_every_setting_says_what_it_is() -> None:
    silent = [
        f"{name}.{field}"
        for name, cls in SERVICES.items()
        for field, info in cls.model_fields.items()
        if not info.description
    ]
    assert silent == []
