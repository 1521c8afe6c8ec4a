"""What the server may ask this node to do: one file a kind, found by scan, run once, under guards."""
