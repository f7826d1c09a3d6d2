"""Fetching: the file behind an address comes to the runtime, whole and verified.

`service` has the call. `links` turns share links into addresses of files; `secrets` knows which
token belongs to which host. The rest runs in a child process: `engine` from request to
result, `opening` follows redirects over `lines` (connections, which `safety` watches in the
dashboard), `stand_ins` names pages that come instead of a file, `ranges` brings a file over several
connections or `stream` over one, `journal` remembers what is there, and `verify` looks at it again.
"""
