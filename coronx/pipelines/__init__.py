"""Pipelines: an association in, products out."""
