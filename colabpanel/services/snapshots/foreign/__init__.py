"""Files of variables that others wrote: which kind they are, what is in them, and loading it."""
