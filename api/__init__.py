"""Floor 4: every wire: HTTP, pages, store, worker, command line."""
