"""The audit: what is attacked, how, in which order, and what is kept on disk."""
