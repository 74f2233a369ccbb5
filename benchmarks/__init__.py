"""Measurements that are too slow, and too much the machine's, to be tests."""
