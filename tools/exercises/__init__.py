"""Exercise masters and what is made from them."""
