"""The HTTP faces of the engine."""
