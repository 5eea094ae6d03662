"""FIX 4.0 to 5.0SP2: messages, dictionaries and sessions, without sockets. Both ends are built on it.

Where to read: ``message`` (what was received), ``codec`` (bytes to messages and back), ``dictionary`` and ``validate``
(what a version allows), ``states`` and ``session`` (the session layer: its table, then its rules, in ``core``,
``handshake``, ``outbound``, ``gaps``, ``resend``, ``rejects``), ``schedule``, ``store`` (sequence numbers and sent
messages), ``settings`` (all of them, with their standard names). The acceptor is openoutcry.gateway.fix, the initiator
openoutcry.clients.fix.
"""
