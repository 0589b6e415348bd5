"""Sphinx configuration: ``make docs``."""

project = "coronx"
author = "the coronx developers"
extensions = ["myst_parser"]
exclude_patterns = ["changes"]
myst_heading_anchors = 3
html_theme = "alabaster"
