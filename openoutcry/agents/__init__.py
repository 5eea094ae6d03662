"""Trading agents: a seeded market that lives, over OUCH and FIX sessions. docs/agents.md is the manual.

In the order in which to read: ``prices`` (what a symbol is worth over time), ``views`` (what an agent sees, what it can
want, and the bounds on that), ``strategies`` (pure: a view and a random source in, intents out), ``arrivals`` (when
each one acts), ``sessions`` (what one session knows of its orders), ``crowd`` (all of them together, on a clock),
``tally`` (what they have counted), ``command`` (``openoutcry agents``).

Invariant of the whole: with one seed, against an exchange that answers alike, agents do alike, order for order. No
price or quantity is ever a binary fraction.
"""
