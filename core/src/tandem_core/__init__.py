"""The kernel every Tandem service stands on. It knows no service.

A thing enters this package when the second service needs it, or when it carries a promise that
all services make alike: identifiers, money, time, errors, the write path, events, HTTP and access.
"""
