"""What all tests have: the fixtures of openoutcry.pytest_plugin come with the package; pytester tests the plugin."""

from __future__ import annotations

pytest_plugins = ["pytester"]
