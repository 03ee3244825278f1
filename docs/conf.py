"""Sphinx: `make docs`."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())["project"]

project = _PROJECT["name"]
author = "the oob maintainers"
copyright = f"{author}; Apache-2.0"
version = release = _PROJECT["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build", "changes"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"{project} {release}"
