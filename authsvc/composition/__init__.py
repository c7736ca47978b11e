"""Parts of the composition root: each module builds and joins what belongs together."""
