"""Floor 1: precedents become vectors, an index and ranked hits. Imports nothing of ours."""
