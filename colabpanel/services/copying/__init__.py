"""Copying files and folders, as back to Drive: only what changed, verified, and never half under a final name.

`service` has the calls; `engine` does the work in a child process, with `one_file` for each
file and `ledger` to know what has not changed since.
"""
