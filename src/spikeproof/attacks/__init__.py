"""Attacks: each says how much it wants every edit; threats decide what is possible."""
