"""The verbs: each module `verb_<name>` has one click `command`, imported only when it runs."""
