"""Unpacking zip members side by side: `batches` cuts the work, `unpacker` does it, `crew` hands it out."""
