"""The history of a product."""

from jwst import datamodels


def history_of(path):
    """Return a product's history as one text without blanks: FITS breaks its lines anywhere."""
    with datamodels.open(str(path)) as model:
        text = "".join(entry["description"] for entry in model._asdf.get_history_entries())
    return text.replace(" ", "")
