"""How what refers to an object is found, and said."""
