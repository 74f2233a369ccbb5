"""What a page must keep to."""
