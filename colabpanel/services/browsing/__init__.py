"""Looking through folders, and changing what is in them.

`places` has what a browser of files sees: `Place`, and `LocalPlace` for every disk that is mounted. `listing` shows
folders page by page, `operations` and `sizes` are the calls behind the buttons. What touches a path runs in a child
process, in the modules whose names end in ``_here``.
"""
