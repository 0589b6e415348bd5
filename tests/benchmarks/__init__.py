"""Time and memory of coronx beside the host's own steps and other packages."""
