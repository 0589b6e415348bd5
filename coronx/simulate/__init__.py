"""Scenes of known truth, and the offline CRDS cache that demo and tests use."""
