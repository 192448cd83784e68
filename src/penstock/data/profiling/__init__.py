"""What training rows look like, in more detail than suggestions need: the figures behind `penstock data profile`."""
