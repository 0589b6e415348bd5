"""Tests; a package of its own name, because others leave a package `tests` behind."""
