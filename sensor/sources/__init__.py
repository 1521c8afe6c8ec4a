"""Where events come from: pure decoders, and recordings."""
