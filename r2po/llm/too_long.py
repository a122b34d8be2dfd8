"""Prompts that a model cannot hold: they are refused before they are sent and paid."""

from __future__ import annotations

from r2po.llm.accounting import Accounting
from r2po.llm.providers.context import LESS_IN_PROMPTS, fewest_tokens
from r2po.llm.tokens import features_of, token_range
from r2po.llm.types import AttemptFailed, Provider, Question

CLEARLY = 1.1
"""How far an estimate must be above the limit. One that is less above it is left to the server."""
_ALWAYS_FITS = 1024  # tokens: no server need be asked


def tokens_that_fit(provider: Provider, question: Question, accounting: Accounting) -> int | None:
    """Return about how many tokens a prompt has, judging by what the server counted so far; None if that tells nothing.

    Raises:
        AttemptFailed: The prompt is longer than the model can hold. As long as no prompt of the role was counted, only
            one is refused that is too long with any common tokenizer: what others hold tells too little.
    """
    if provider.is_stand_in or provider.recording is not None:
        return None
    features = features_of(question.prompt)
    tokens = accounting.prompt_tokens(question.role, features)
    limit = None if token_range(features)[1] <= _ALWAYS_FITS else provider.longest_prompt()
    if limit is None:
        return tokens
    fewest = fewest_tokens(question.prompt)
    if tokens is not None and tokens > max(CLEARLY * limit.tokens, fewest) and accounting.has_counted(question.role):
        has = f"about {tokens:,} tokens"
    elif fewest > limit.tokens:
        has = f"{fewest:,} tokens or more"
    else:
        return tokens
    raise AttemptFailed(
        f"the {question.role} prompt of iteration {question.iteration} has {has}, and the context has "
        f"{limit.tokens:,}: {limit.remedy}, or {LESS_IN_PROMPTS}",
        retryable=False,
    )
