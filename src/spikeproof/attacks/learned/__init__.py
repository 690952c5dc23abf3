"""Attacks that are learned once: universal patterns and adversarial patches."""
