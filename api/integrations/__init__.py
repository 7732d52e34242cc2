"""Helpdesks of the store, behind one protocol: a ticket is read, and a private note is left on it; nothing is sent."""
