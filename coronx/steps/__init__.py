"""Thin steps: open, compute, write, mark."""
