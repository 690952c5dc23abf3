"""What an adapter must know of each framework, one file each."""
