"""Recorded sweeps and the ledger of claims that rest on them."""
