"""A module that registers what it has when it is imported, as one that the setting `plugins` names."""

from __future__ import annotations

from openoutcry.gateway.protocols import register_protocol
from openoutcry.matcher.policies import register_policy
from openoutcry.plugins import Engine, register_engine
from tests.plugin_dialects import lines
from tests.plugin_parts import Counting, Even


class Local:
    """Something whose parts cannot be found by a name of the module alone."""

    @staticmethod
    def make() -> Engine:
        return Counting()


register_engine("counts", Counting)
register_engine("nameless", lambda: Local.make())
register_policy("even", Even)
register_protocol("text", lines)
