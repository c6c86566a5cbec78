"""Folds of All-In-One, as their authors publish them."""
