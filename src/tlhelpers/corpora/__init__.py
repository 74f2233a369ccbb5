"""Labelled texts: by role, from files, split and tagged."""
