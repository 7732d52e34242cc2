"""How messages leave the house: to addresses that were checked, once per call, with an answer that is understood."""
