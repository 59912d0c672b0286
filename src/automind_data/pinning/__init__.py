"""What the repository pins: imported files, derived outputs, and where their bytes lie."""
