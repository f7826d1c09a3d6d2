"""Files between the runtime and the browser: out by the route that fits the host, in by pieces that are asked for.

Whoever shows the page hands in a `Link`; what is said over it is in `sending` and `receiving`.
"""
