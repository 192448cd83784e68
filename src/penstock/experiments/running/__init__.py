"""A program at work: started, watched, ended, and recorded."""
