"""Reference data and look-ups."""
