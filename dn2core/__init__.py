"""DN2: anomaly scores as distances to the nearest normal images, with nothing trained."""

__version__ = "0.4.0"
