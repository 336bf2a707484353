"""Constants in as few bits as hold them."""
