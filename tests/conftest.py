"""What all tests have: the fixtures of openoutcry.pytest_plugin come with the package; pytester tests the plugin.

tests.both_world has the fixture `floor`, a market over either protocol, tests.both_makers `maker`, and
tests.managed_world `endpoint`, for managed mode over either protocol, and tests.gateway_world `directory` and
`on_uvloop`, for gateways without an exchange.
"""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "tests.gateway_world", "tests.both_world", "tests.both_makers", "tests.managed_world"]

# A run in the background of a script inherits an ignored SIGINT, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine may stop any example for a while: how long one takes says nothing here.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs of pytest within tests turn warnings into errors; pytest-asyncio warns of a setting that is not there."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-o asyncio_default_fixture_loop_scope=function")
    return pytester
