"""The complete test of the README, as it stands there; as a process where nothing runs containers."""
import re
from pathlib import Path

from conftest import ENGINE

pytest_plugins = ["pytester"]


def test_the_readme(pytester):
    text = (Path(__file__).parents[1] / "README.md").read_text()
    found = re.search(r"<!-- run: container -->\n```python\n(.*?)```", text, re.DOTALL)
    program = found.group(1)
    if ENGINE == "none":
        program = program.replace("KyaniteContainer", "KyaniteProcess")
    pytester.makepyfile(program)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
