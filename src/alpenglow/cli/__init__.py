"""The terminal: the only package that prints and exits. It may import anything; nobody imports it."""
