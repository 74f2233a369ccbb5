"""The book's ledger and what settles its entries: each function is called once."""

from functools import cache

from tlhelpers.evidence.ledger import load_ledger
from tlhelpers.evidence.settle import Settled, settle

BOOK = load_ledger()


@cache
def settled(claim_id: str) -> Settled:
    """Settle one entry of the book."""
    return settle(BOOK[claim_id])
