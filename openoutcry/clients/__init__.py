"""Clients of an exchange, for tests, tools and live trading. Import them from their modules.

``openoutcry.clients.ouch`` has ``OuchClient`` (blocking) and ``AsyncOuchClient`` (asyncio). Both are thin shells around
the gateway's own sans-I/O protocol modules, so that nothing is parsed in two places.
"""
