"""Data models that jwst lacks, and how coronx reads associations."""
