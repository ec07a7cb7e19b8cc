"""From built packages to a stage on AWS, and the work on a stage that runs: see docs/operations.md.

Nothing here knows a service: stacks, tables, queues and functions are found in what is deployed.
"""
