"""What becomes of personal values on their way in, in rows and in columns alike."""
