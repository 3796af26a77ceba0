import subprocess
import sys

TRIED = """
import gc, sys
before = set(sys.modules)
from libs.platform.imports import collector_paused
brought = {name.partition(".")[0] for name in set(sys.modules) - before}
assert brought <= {*sys.stdlib_module_names, "libs"}, brought
grown = gc.get_freeze_count()
try:
    with collector_paused():
        assert not gc.isenabled()
        raise ModuleNotFoundError
except ModuleNotFoundError:
    assert gc.isenabled()
assert gc.get_freeze_count() > grown
"""


def test_what_is_imported_meanwhile_is_never_looked_at_and_the_collector_goes_on_whatever_happens() -> None:
    subprocess.run([sys.executable, "-c", TRIED], check=True)
