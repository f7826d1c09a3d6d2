"""Archives that are read from front to back: tar, 7z, and single compressed files."""
