"""Floor 2: the case, its clock, and the steps that reason over it. Knows no SQL, no HTTP framework, no index."""
