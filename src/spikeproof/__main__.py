"""``python -m spikeproof`` is ``spikeproof``."""

from spikeproof.cli import main

main()
