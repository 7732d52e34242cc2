"""Plain e-mail: mail in, as cases and messages; drafts out, into the Drafts folder of a person's own mail program.

Nothing here can send: there is no SMTP, and in a mailbox nothing is changed but that drafts are added.
"""
