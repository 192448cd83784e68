"""Endpoints of buckets that are asked in the clear, as a store on one's own machine mostly is."""

from __future__ import annotations

import os


def way_out(error: Exception, usual: str) -> str:
    """What to do about a bucket that was not even asked: plain HTTP has to be allowed; else what is usual.

    >>> way_out(OSError("connection refused"), "check the network")
    'check the network'
    """
    endpoints = [os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")]
    plain = next((url for url in endpoints if url.lower().startswith("http://")), None)
    if plain is None or "builder error" not in str(error):  # the client's words for an address that it will not ask
        return usual
    return f"AWS_ALLOW_HTTP=true in the environment lets {plain} be asked without TLS; or name an https:// endpoint"
