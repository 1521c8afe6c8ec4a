"""The sub-commands of `python -m sensor`: one file each, found by scan.

A file has a docstring (its first line is the help), `arguments(parser)` and `run(args) -> int`, the exit status.
It imports what it needs inside `run`, so that `check` does not load the kernel's half.
"""
