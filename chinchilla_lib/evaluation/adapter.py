"""A model of ours or of Hugging Face as lm-eval's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chinchilla_lib.errors import InputError, MissingExtraError
from chinchilla_lib.evaluation.likelihood import measure_pace, score_continuations
from chinchilla_lib.evaluation.models import LanguageModel
from chinchilla_lib.evaluation.progress import Meter, Progress

try:
    from lm_eval import utils
    from lm_eval.api.model import TemplateLM
except ImportError as error:
    raise MissingExtraError("lm_eval", "eval") from error

__all__ = ["HarnessModel"]

_MOST_TOKENS: Final = 256
_SAME_AS_MOST_TOKENS: Final = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


class HarnessModel(TemplateLM):  # type: ignore[misc]
    """A model behind lm-eval's interface: log-likelihood, rolling log-likelihood, greedy generation.

    What it asks of a model, and so what it finds, is what lm-eval's own backend for Hugging Face asks
    (``HFLM``; tests and ``make bench-eval`` hold the two against each other), but for what follows.

    - *Rounding.* HFLM normalises in float32 (``softmax_dtype``), which on SmolLM2 (49,152 tokens) is off
      by some 1e-5 nats, the same way at each token: 2e-4 on answers of twenty. With its softmax in float64
      it finds what is found here, to less than 1e-4.
    - *A token that crosses from the context into the answer.* HFLM reads the tokens of the context alone,
      then of both together those behind as many: characters can be lost or read twice, and an answer that is
      left without a token stops it. Here the answer begins with the first token that is not the context's,
      and what is read is the text.
    - *One text, cut in two ways.* Where two requests read the same tokens and one scores more of them, HFLM
      takes the likelihoods of the other from the wrong positions (``logits_cache``). Here each is scored
      where it stands.
    - *Marks.* Where a tokenizer puts a mark before each text, HFLM has a rolling text begin with two, and
      counts the second as part of the text. Here it begins with one, which is not counted.
    - *An answer longer than the model* stops HFLM; here its end is scored.
    - *An empty prompt* stops HFLM; here it is the token that stands for an empty context.
    - *Generation* is the likeliest token again and again. HFLM lets penalties of ``generation_config.json``
      change that; here they are not heeded, and sampling is refused. Asked for as many tokens as the model
      reads, or more, HFLM stops; here half of what it reads is left to the prompt.

    Parameters
    ----------
    model : LanguageModel
    on_progress : callable, optional
        Called before the start and as answers come, by each kind of request in turn.
    """

    def __init__(self, model: LanguageModel, on_progress: Callable[[Progress], None] | None = None) -> None:
        super().__init__()
        self._language_model, self._on_progress = model, on_progress

    @property
    def eot_token_id(self) -> int:
        """The mark that ends a text."""
        return self._language_model.end_of_text

    @property
    def prefix_token_id(self) -> int:
        """The mark of an empty context."""
        return self._language_model.begin_of_text

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids; with the marks of a beginning unless they are declined."""
        return self._language_model.encode(string, marks=add_special_tokens is not False)

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log-likelihood of answers after their contexts, and whether each is the likeliest text.

        Raises
        ------
        InputError
            If an answer has no token.
        """
        pairs = []
        for request in requests:
            context, answer = self._encode_pair(*request.args)
            if not answer:
                before, after = request.args
                raise InputError(
                    f"the answer {after!r} after {before[-40:]!r} has no token; an answer needs one at least"
                )
            pairs.append((None, context, answer))
        return self._loglikelihood_tokens(pairs)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Tokens of a context and of what follows it, whose first takes what crosses the border.

        Spaces that end the context belong to what follows, as lm-eval has it.
        """
        if not context:
            ids = self.tok_encode(continuation, add_special_tokens=False)
            begins = ids[:1] == [self.prefix_token_id]
            return (ids[:1], ids[1:]) if begins else ([self.prefix_token_id], ids)
        bare = context.rstrip()
        continuation = context[len(bare) :] + continuation
        whole = self.tok_encode(bare + continuation)
        n = 0
        for a, b in zip(self.tok_encode(bare), whole, strict=False):
            if a != b:
                break
            n += 1
        return whole[:n] or [self.prefix_token_id], whole[n:]

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        pairs = [(context, continuation) for _, context, continuation in requests]
        return score_continuations(self._language_model, pairs, on_progress=self._on_progress)

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts, in windows as long as the model that do not overlap.

        Progress counts windows.
        """
        windows, owner = [], []
        for i, request in enumerate(requests):
            (text,) = request.args
            for window in utils.get_rolling_token_windows(
                token_list=self.tok_encode(text, add_special_tokens=False),
                prefix_token=self.prefix_token_id,
                max_seq_len=self._language_model.max_length,
                context_len=1,
            ):
                windows.append(utils.make_disjoint_window(window))
                owner.append(i)
        scores = score_continuations(self._language_model, windows, on_progress=self._on_progress)
        totals = [0.0] * len(requests)
        for i, (score, _) in zip(owner, scores, strict=True):
            totals[i] += score
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """The likeliest token again and again, until a stop text, the end of text, or the most tokens.

        A prompt loses its beginning where it and the most tokens of an answer are longer than the model.

        Raises
        ------
        InputError
            If a request asks for sampling, or for answers as long as the model.
        """
        model = self._language_model
        asked = [self._read_options(request.args[1]) for request in requests]
        prompts = [
            (self.tok_encode(request.args[0]) or [self.prefix_token_id])[-(model.max_length - n_tokens) :]
            for request, (n_tokens, _) in zip(requests, asked, strict=True)
        ]
        meter = None
        if self._on_progress is not None and requests:
            n_all = sum(len(prompt) + n for prompt, (n, _) in zip(prompts, asked, strict=True))
            meter = Meter(self._on_progress, len(requests), n_all, measure_pace(model))
        texts = [""] * len(requests)
        for n_tokens in sorted({n for n, _ in asked}):
            rows = [i for i, (n, _) in enumerate(asked) if n == n_tokens]
            stops = [asked[i][1] for i in rows]
            made = model.continue_greedily(
                [prompts[i] for i in rows],
                n_tokens,
                lambda k, tokens, stops=stops: any(stop in model.decode(tokens) for stop in stops[k]),  # type: ignore[misc]
            )
            for k, tokens in made:
                text = model.decode(tokens, marks=False)
                for stop in stops[k]:
                    text = text.split(stop)[0]
                texts[rows[k]] = text
                if meter is not None:
                    meter.advance(1, len(prompts[rows[k]]) + n_tokens)
        return texts

    def _read_options(self, options: Mapping[str, Any]) -> tuple[int, list[str]]:
        """Most tokens of an answer, and the texts that end it."""
        if options.get("do_sample") or float(options.get("temperature") or 0):
            raise InputError(
                f"the task asks for sampling ({dict(options)}); only the likeliest text is written"
            )
        length = self._language_model.max_length
        given = (options[name] for name in _SAME_AS_MOST_TOKENS if options.get(name) is not None)
        n_tokens = int(next(given, _MOST_TOKENS))
        if n_tokens < 1:
            raise InputError(f"max_gen_toks is {n_tokens}; give 1 or more")
        if n_tokens >= length:  # nothing would be left to the prompt, where HFLM stops
            n_tokens = length // 2
        until = options.get("until") or []
        stops = [until] if isinstance(until, str) else list(until)
        return n_tokens, [stop for stop in (*stops, self._language_model.decode([self.eot_token_id])) if stop]
