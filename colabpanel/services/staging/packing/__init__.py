"""The way back: a folder becomes a zip or tar.zst archive, in one file or in shards."""
