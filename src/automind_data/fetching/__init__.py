"""Bringing pinned bytes from where they were published into the DVC cache."""
