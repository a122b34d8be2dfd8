"""How each wire format cuts an answer into pieces, and how they are put together into the whole."""
