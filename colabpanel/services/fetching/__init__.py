"""Fetching: the file behind an address comes to the runtime, whole and verified.

`service` has the call. The rest runs in a child process, over `colabpanel.services.web`: `engine` from
request to result, `ranges` brings a file over several connections, `journal` remembers what is there,
and `verify` looks at it again.
"""
