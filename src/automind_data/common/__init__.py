"""What every command needs: errors, safe writing, the layout of a release, progress."""
