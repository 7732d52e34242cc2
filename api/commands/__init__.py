"""The commands of `desk`, one module each. A module imports only what its arguments need; the rest when it runs."""
