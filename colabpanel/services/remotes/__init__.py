"""Files that lie elsewhere: on rclone's remotes, and on Google Drive without its mount.

`service` has the calls, each of which takes an address as ``name:path``. `stores` says what stands behind a name: one
of rclone's remotes (`rclone`), or Drive by its API (`drive_api`). `configuring` adds remotes, `permission` says which
of them the dashboard may use.
"""
