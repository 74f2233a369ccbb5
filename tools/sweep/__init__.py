"""Sweeps: experiments over seeds, recorded point by point."""
