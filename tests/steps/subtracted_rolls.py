"""What tests of the measuring steps share: conftest's companions are Gaussians."""

import numpy as np

WIDTH = 1.2  # pixels
TRUTH = (60.0, 1.2, -0.9)  # peak, east, north
TOTAL = TRUTH[0] * 2.0 * np.pi * WIDTH**2
