"""One file a revision; each says what came before it."""
