"""Helpers of the executable book "Transfer Learning in NLP"."""
