"""Questions to servers: addresses, connections that are looked at, redirects and refusals."""
