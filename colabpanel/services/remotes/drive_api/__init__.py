"""Google Drive by its API, version 3: for when the mount is sick, and where there is none."""
