"""NIR graphs: read into networks of ours, and written from them."""

from spikeproof.adapters.nir.export import save_nir, to_nir
from spikeproof.adapters.nir.load import load_nir
from spikeproof.adapters.nir.nodes import CONVENTIONS, Convention

__all__ = ["CONVENTIONS", "Convention", "load_nir", "save_nir", "to_nir"]
