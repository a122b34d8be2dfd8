"""The services that speak the wire formats: where each is, and whether its key may go where a config points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from r2po.errors import InputError, nearest
from r2po.llm import key_hosts
from r2po.llm.outage import is_sign
from r2po.llm.types import AttemptFailed, ProviderSettings

CONFIG_KEY = "base_url"
"""What chooses the server if the environment does not: a key of the config."""
_MAX_NAMED = 10


class KeyNotSentError(InputError):
    """The config chose a server that must not be sent the key; nothing was sent."""


class UnreachableError(InputError):
    """The server does not answer.

    Attributes:
        is_out: Whether it may do so later, with the same settings: there was no connection at all.
    """

    def __init__(self, reason: str, *, is_out: bool = False) -> None:
        super().__init__(reason)
        self.is_out = is_out


class UnknownModelError(InputError):
    """The server does not know the model."""

    @classmethod
    def among(cls, server: str, model: str, known: Iterable[str]) -> UnknownModelError:
        """Return that a server knows only other models."""
        known = sorted(known)
        close = nearest(model, known)
        names = ", ".join(known[:_MAX_NAMED]) + (", …" if known[_MAX_NAMED:] else "")
        listed = "" if close and len(known) > _MAX_NAMED else f"; known: {names or 'none'}"
        return cls(f"{server} has no model {model!r}{close}{listed}")


@dataclass(frozen=True)
class Server:
    """A service that speaks a wire format.

    Attributes:
        base_url: Its address unless the config or the environment sets another.
        base_url_variable: Environment variable that chooses the address.
        needs_key: Whether the server at ``base_url`` answers nobody without a key.
        hint: What else to check if it cannot be reached.
        home: Address of the provider's own server, if that is not ``base_url``.
        listing: Path of its list of models, which costs nothing.
    """

    name: str
    base_url: str
    base_url_variable: str
    key_variable: str
    needs_key: bool = True
    hint: str = ""
    home: str = ""
    listing: str = "/models"

    def key(self, settings: ProviderSettings) -> str:
        """Return the key of the environment; empty if there is none."""
        return settings.environ.get(self.key_variable, "").strip()

    def chosen(self, settings: ProviderSettings) -> tuple[str, str]:
        """Return the address to ask, and the name of what chose it: a variable, or the key of the config.

        Raises:
            KeyNotSentError: The config chose a server to which the key of the environment must not go.
            InputError: The address in the config is none.
        """
        named = settings.environ.get(self.base_url_variable, "").strip()
        if settings.base_url is None:
            return named or self.base_url, self.base_url_variable
        url = key_hosts.check_base_url(settings.base_url, CONFIG_KEY)
        allowed = settings.environ.get(key_hosts.VARIABLE, "")
        if self.key(settings) and not key_hosts.may_have_key(url, self.home or self.base_url, named, allowed):
            raise KeyNotSentError(self._refusal(url))
        return url, CONFIG_KEY

    def unreachable(self, failure: AttemptFailed, chosen_by: str) -> UnreachableError:
        """Return that the server, chosen by what is named, did not answer at the first contact."""
        hint = self.hint if failure.retryable else ""
        reason = f"cannot reach {self.name}: {failure.reason}; {hint}{chosen_by} chooses the server"
        return UnreachableError(reason, is_out=is_sign(failure))

    def _refusal(self, url: str) -> str:
        origin = key_hosts.origin_of(url)
        where = origin.netloc if origin else url
        return (
            f"base_url is {url!r}, and {self.key_variable} is not sent to a host that only a config names: if you "
            f"trust {where} with it, set {key_hosts.VARIABLE}={where} in the environment; if that server needs no key, "
            f"set {self.key_variable} to nothing"
        )
