"""Discord's handling of webhook requests, as a pure function of the request, the time and earlier requests.

The server, the tests and every simulation use these rules. Not modelled: forum threads, the contents of polls and
components, the bytes of attachments, AutoMod.
"""
