"""Steps for CCD images from the ground."""
