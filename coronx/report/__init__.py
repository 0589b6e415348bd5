"""Pictures of the products; needs the extra ``coronx[report]``."""
