"""How much memory may be used: of the machine, of its container, of this process."""
