"""The history of the schema; started by `api.store.engine.migrate` only."""
