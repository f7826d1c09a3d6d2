"""Asking servers over HTTP, for whatever reads from an address.

`addresses` checks and splits them, `links` turns share links into addresses of files, and `secrets`
knows which token belongs to which host. `opening` follows redirects over `lines` (connections, which
`safety` watches in the dashboard); `answers` and `parts` read what an answer says, `stand_ins` names pages
that come instead of a file, `stream` writes a file that comes in one, and `refusals` puts refusals into words.
"""
