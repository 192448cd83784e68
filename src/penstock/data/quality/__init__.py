"""Checks of the data itself, closely related ones in one file. Ids are permanent; each docstring is its documentation.

They see training and validation rows. What they say of test rows comes from keyed fingerprints, or from the sealing step
(`sealed.py`), and is counts only.
"""
