"""What Discord does with a request to a webhook, as a pure function of the request, the time and what came before.

The server, the tests and every simulation use these same rules. Not modelled: threads of a forum, polls' and
components' insides, attachments' bytes, edits of messages older than an hour, AutoMod.
"""
