from pathlib import Path

import pytest

from libs.platform.settings import ServiceSettings, load

COMPLETE = {
    "MASH_ENVIRONMENT": "dev",
    "MASH_DATABASE_URL": "postgresql://mash_intake:hunter2@db/mash",
    "MASH_KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "MASH_ISSUER": "http://127.0.0.1:9000",
    "MASH_JWKS_URL": "http://127.0.0.1:9000/jwks",
    "MASH_CURSOR_SECRET": "s" * 32,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_complete_settings_are_read(environment: pytest.MonkeyPatch) -> None:
    settings = load(ServiceSettings)
    assert settings.kafka_bootstrap == "127.0.0.1:9092"
    assert settings.partnership == "peterborough"


@pytest.mark.parametrize("name", ["MASH_DATABASE_URL", "MASH_ISSUER", "MASH_JWKS_URL", "MASH_CURSOR_SECRET"])
def test_a_missing_variable_is_named_in_one_sentence(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SystemExit) as stop:
        load(ServiceSettings)
    assert str(stop.value) == f"Cannot start: {name} is not set."


def test_a_partnership_without_a_folder_is_one_sentence_and_not_one_for_each_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("MASH_PARTNERSHIP_DIR", str(tmp_path / "hunter2"))
    with pytest.raises(SystemExit) as stop:
        load(ServiceSettings)
    wanted = "MASH_PARTNERSHIP_DIR must name a folder, and there is none of that name"
    assert str(stop.value) == f"Cannot start: {wanted}."
    environment.setenv("MASH_PARTNERSHIP_DIR", str(tmp_path))
    assert load(ServiceSettings).partnership_dir == tmp_path


def test_a_wrong_value_is_named_but_never_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MASH_PORT", "eighty")
    environment.setenv("MASH_CURSOR_SECRET", "hunter2")
    with pytest.raises(SystemExit) as stop:
        load(ServiceSettings)
    text = str(stop.value)
    assert "MASH_PORT is wrong" in text
    assert "MASH_CURSOR_SECRET is wrong" in text
    assert "eighty" not in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MASH_ALARM_URL", "hooks.example.org/duty"),
        ("MASH_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("MASH_DATABASE_URL", "mash_intake:hunter2@db/mash"),
    ],
)
def test_an_address_at_which_nothing_could_be_reached_is_wrong(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit, match=f"{name} is wrong") as stop:
        load(ServiceSettings)
    assert value not in str(stop.value)


def test_kafka_needs_its_brokers_and_postgres_does_not(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("MASH_KAFKA_BOOTSTRAP")
    with pytest.raises(SystemExit, match="MASH_KAFKA_BOOTSTRAP is needed"):
        load(ServiceSettings)
    environment.setenv("MASH_EVENTS", "postgres")
    assert load(ServiceSettings).events == "postgres"


def test_production_takes_token_keys_only_over_https(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("MASH_ENVIRONMENT")
    with pytest.raises(SystemExit, match="MASH_JWKS_URL must be https"):
        load(ServiceSettings)


def test_no_representation_shows_a_secret(environment: pytest.MonkeyPatch) -> None:
    shown = repr(load(ServiceSettings)) + str(load(ServiceSettings))
    assert "hunter2" not in shown
    assert "s" * 32 not in shown
