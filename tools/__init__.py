"""The book's machinery: pair, execute, stage, render. Readers never import it."""
