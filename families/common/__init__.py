"""What several families share: safe reading of checkpoints, graphs by nodes, digests."""
