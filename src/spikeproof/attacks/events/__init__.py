"""Attacks that edit the events of one recording."""
