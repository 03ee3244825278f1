"""Sphinx: `make docs`."""

import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
sys.path.insert(0, str(_ROOT))

from docs._ext.states import diagram  # noqa: E402

project = _PROJECT["name"]
author = "the oob maintainers"
copyright = f"{author}; Apache-2.0"
version = release = _PROJECT["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build", "_ext", "changes"]
myst_enable_extensions = ["deflist", "substitution"]
myst_substitutions = {"states": diagram()}
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"{project} {release}"
