"""The store: rows of cases, work, mail, principals and precedents; SQL is the only source of truth."""
