"""From sources to what is deployed: build/<stack>/package/, written by `python -m tools.build`.

A package is deployment.zip, the code of every function of the stack, and sam.json, the stack's
template. The same pair goes to AWS and into the local cloud.
"""
