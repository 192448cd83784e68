"""The checks of a window, one per file. Ids are permanent; each check's docstring is its documentation."""
