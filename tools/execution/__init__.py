"""Running chapters: which must run, in what environment, and what they cost."""
