"""The lab notebook: decisions and the story that they make."""
