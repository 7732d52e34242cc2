"""Floor 3: datasets, cassettes, scorers, measures, reports."""
