"""Personal data: what is found in the raw values of a source, and what is proposed to be done with it."""
