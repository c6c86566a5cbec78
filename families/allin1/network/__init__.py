"""The network of All-In-One, with neighbourhood attention."""
