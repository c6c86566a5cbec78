"""The small beat tracker that ships: trained on the synthetic band as `mini` separates it."""
