"""How the small models that ship were trained; not in the wheel, their weights are."""
