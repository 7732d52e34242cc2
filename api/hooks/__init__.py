"""Webhooks: signed events of helpdesks become escalations, messages and status changes of one case."""
