"""The keys that the environment holds for providers: what must not be seen elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from r2po.llm.redaction import secrets_of
from r2po.llm.registry import PROVIDERS

_OF_A_PROVIDER = re.compile(r"\w+_(?:API_KEY|BASE_URL)")


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return what nobody else may see of providers' variables, the longest first: keys, and passwords in base URLs."""
    found: set[str] = set()
    for name in filter(is_of_provider, environ):
        value = environ[name].strip()
        password = ""
        if name.endswith("_BASE_URL"):
            with suppress(ValueError):
                password = urlsplit(value).password or ""
            value = ""
        found.update(secrets_of(value, password, ""))
    return sorted(found, key=len, reverse=True)


def is_of_provider(name: str) -> bool:
    """Whether a variable is a provider's key or base URL."""
    return bool(_OF_A_PROVIDER.fullmatch(name)) or name in {kind.key_variable for kind in PROVIDERS.values()}
