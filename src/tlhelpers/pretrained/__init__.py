"""Models with their tokenizers, and the published configurations of models that are not at hand."""
