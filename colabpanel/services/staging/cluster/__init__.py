"""Staging with the workers of a Dask cluster: shards of one archive, or a replica for each machine."""
