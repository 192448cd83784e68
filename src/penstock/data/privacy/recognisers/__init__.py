"""One kind of personal data per file; plug-ins bring others under the entry-point group ``penstock.recognisers``."""
