"""The session: what it runs on, and what is wrong with that."""
