"""Staging: an archive on Drive or disk becomes files in a folder on fast local disk.

`stage`, `plan` and `pack` are the calls; they work in a child process (`engine`,
`planning`, `packing.engine`). There, `formats` opens a reader (`zips`, `streams`) that
lists members, and `names` decides where each may go. `extract_zip` hands those of a zip
archive to workers (`crew`), `extract` writes those of the others one after another; both
fill ``TARGET.partial`` and its journal (`partial`), and `publish` moves the finished tree to
the target, with a receipt (`receipts`). `cluster` lets Dask workers do it; `packing` is the way back.
"""
