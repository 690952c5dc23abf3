"""The standard ensemble: its stages, their order, and the state of a run."""
