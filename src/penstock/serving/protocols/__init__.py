"""Other tools' ways to ask: each protocol is one file that reads their requests into rows and writes answers as they want them."""
