"""From a chosen model to a bundle: the answer graph, its parity, its self-test examples, its card."""
