"""The verbs of returns: load, decide, append. All control flow; no HTTP, no keys.

Books follow their orders; quotes become returns; returns move; refunds are paid; and withdrawals,
policies and senders' messages have their own.
"""
