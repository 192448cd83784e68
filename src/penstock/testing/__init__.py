"""Contract suites: what every part of a kind must do, as tests to inherit. For plug-in authors and our own tests."""
