"""The verbs of orders: load, decide, append. All control flow is here; no HTTP, no keys' spelling.

Each write is one attempt that is run again when it was overtaken. A request that was recorded
before is answered from its entry before anything is decided again; a report is compared with what
is known and adds what is new.
"""
