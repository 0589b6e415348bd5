"""Steps for coronagraphic exposures."""
