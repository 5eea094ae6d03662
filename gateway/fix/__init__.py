"""The FIX acceptor inside a gateway: many sessions and versions on one port, beside the gateway's other protocols.

    client ── FixConnection ── Hosted: Session (openoutcry.fix.session), Application ──> Hub.out ──> matcher
    client <── FixConnection ── Hosted <── Delivery (one record a turn) <── Application <── events

Where to read: ``connection`` (a TCP connection: bytes in, messages out), ``admission`` with ``identity`` and
``approval`` (who may log on), ``hosted`` (one session: numbers its messages and writes them once they are stored),
``sessions`` (all of a gateway, and how they come back after a crash), ``sessionstore``, ``facts``, ``dumps`` (what is
remembered of them). What messages mean is the business of ``application``, or of ``echo``.
"""
