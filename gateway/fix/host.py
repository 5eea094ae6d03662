"""What can be known about the client of an application, for those who have something to tell it unasked."""

from __future__ import annotations

from typing import Any


def owner(app: Any) -> Any:
    """Who has an application: its session, which may get another application when its settings change."""
    return getattr(app.emit, "__self__", app)


def is_there(app: Any) -> bool:
    """Whether its client is still connected, as far as one can see."""
    return getattr(owner(app), "connection", app) is not None


def is_ready(app: Any) -> bool:
    """Whether its client can be told something now: nothing is sent to it again, and it has read what it was sent."""
    host = owner(app)
    session = getattr(host, "session", None)
    if session is None:
        return True
    connection = host.connection
    if connection is None or not session.live:
        return False
    limit: int = connection.endpoint.write_buffer_max // 4
    return bool(connection.transport.get_write_buffer_size() <= limit)
