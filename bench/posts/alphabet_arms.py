"""The alphabet as data, and how its arms are trained."""

from collections.abc import Sequence

import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, in_order, shuffled
from bench.posts.models import lstm
from bench.posts.registry import Setting
from bench.posts.result import Arm, Column, values

LETTERS = 26
PAIRS = LETTERS - 1
LONGEST = 5
UPDATES_A_CALL = 500
DRAWS = 1000
K, L, B = (ord(letter) - ord("A") for letter in "KLB")

ACCURACY, IN_ORDER, COLD = "accuracy", "accuracy in order", "accuracy of each letter after a reset"


def one_hot(letters: Array) -> Array:
    """Letters (...) -> (..., 26)."""
    return np.eye(LETTERS)[np.asarray(letters, int)]


def rows(length: int) -> tuple[Array, Array]:
    """Every run of so many letters and the letter after it, shapes (N, length) and (N,)."""
    starts = np.arange(LETTERS - length)
    return starts[:, None] + np.arange(length), starts + length


def scaled(letters: Array) -> Array:
    """Letters as the post codes them: one number in 0..1."""
    return np.asarray(letters)[..., None] / LETTERS


def hits(outputs: Array, answers: Array) -> Array:
    """Whether the likeliest letter is the answer; outputs (N, R, 26) and answers (N,) -> (N, R)."""
    return np.asarray(outputs.argmax(axis=-1) == np.asarray(answers)[:, None])


def stateless_arm(
    name: str, column: Column, x: Array, answers: Array, words: str, setting: Setting,
    *, epochs: int = 500, batch_size: int = 1, units: int = 32, keep_order: bool = False,
) -> Arm:  # fmt: skip
    """Train windows x (N, L, F) without carried state and score them on themselves, as the post does."""
    model = lstm(units, inputs=x.shape[-1], outputs=LETTERS)
    block = Block(model, x, one_hot(answers), setting.seeds, batch_size=batch_size, loss="cross-entropy")
    count = setting.epochs(epochs)
    # Without state an epoch's end means nothing, and a call for each single update would cost more than the update.
    together = max(1, UPDATES_A_CALL // (len(x) // batch_size))
    for first in range(0, count, together):
        block.fit(
            np.concatenate(
                [
                    np.repeat(in_order(len(x), batch_size)[:, None], len(setting.seeds), axis=1)
                    if keep_order
                    else shuffled(len(x), batch_size, setting.seeds, epoch)
                    for epoch in range(first, min(first + together, count))
                ]
            )[None]
        )
    found = hits(block.predict(np.arange(len(x))), answers).mean(axis=0)
    order = "in order" if keep_order else "shuffled"
    updates = epochs * (len(x) // batch_size)
    settings = f"{words}, LSTM({units}), B = {batch_size}, {epochs} epochs, {updates} updates, {order}"
    return Arm(name, column, settings, {ACCURACY: values(found)})


class Stateful:
    """A stateful model of the alphabet, B = 1, trained with resets."""

    def __init__(self, setting: Setting, units: int, *, anywhere: bool = False, epochs: int = 300) -> None:
        letters, answers = rows(1)
        model = lstm(units, outputs=LETTERS)
        self._answers = answers
        self._block = Block(model, scaled(letters), one_hot(answers), setting.seeds, carried=True, loss="cross-entropy")
        if anywhere:
            # As many letters an epoch, in runs of five, each from a random letter and a zero state.
            orders = [
                np.stack([_runs(seed, epoch) for seed in setting.seeds], axis=2)[..., None]
                for epoch in range(setting.epochs(epochs))
            ]
            self._block.fit(run for order in orders for run in order)
        else:
            self._block.fit(in_order(PAIRS) for _ in range(setting.epochs(epochs)))

    def asked(self, letters: Sequence[int]) -> Array:
        """Answers to letters given one after another after a reset, shape (letters, R)."""
        self._block.reset()
        return np.asarray(self._block.predict(np.asarray(letters)[:, None])[:, :, 0].argmax(axis=-1))

    def figures(self) -> dict[str, list[float]]:
        """Accuracy in order from "A", and of each letter asked after a reset."""
        in_turn = (self.asked(range(PAIRS)) == self._answers[:, None]).mean(axis=0)
        cold = np.mean([self.asked([letter])[0] == letter + 1 for letter in range(PAIRS)], axis=0)
        return {IN_ORDER: values(in_turn), COLD: values(cold)}

    def from_k(self) -> dict[str, list[float]]:
        """What it answers to "K": 1 or 0 a seed."""
        cold, warm = self.asked([K])[0], self.asked(range(K + 1))[-1]
        return {
            'answers "B" to "K" after a reset': values(cold == B),
            'answers "L" to "K" after a reset': values(cold == L),
            'answers "L" to "K" after A to J': values(warm == L),
        }


def _runs(seed: int, epoch: int) -> Array:
    starts = np.random.default_rng([seed, epoch]).integers(0, PAIRS - LONGEST + 1, PAIRS // LONGEST)
    return starts[:, None] + np.arange(LONGEST)


def substring(old: np.random.RandomState) -> tuple[int, int]:
    """First and last letter of a random substring, drawn in the post's order."""
    start = old.randint(LETTERS - 2)
    return start, old.randint(start, min(start + LONGEST, LETTERS - 1))


def padded(substrings: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Inputs (N, 5, 1), padded in front with 0 as the post does, and the letters that follow, (N,)."""
    x = np.zeros((len(substrings), LONGEST, 1))
    for row, (first, last) in zip(x, substrings, strict=True):
        row[LONGEST - (last - first + 1) :, 0] = np.arange(first, last + 1) / LETTERS
    return x, np.array([last + 1 for _, last in substrings])


def held_out_arm(name: str, setting: Setting) -> Arm:
    """Train on 1000 draws from four fifths of all substrings, score on the last fifth; another split for each seed."""
    every = [(a, b) for a in range(LETTERS - 2) for b in range(a, min(a + LONGEST, LETTERS - 1))]
    x, answers = padded(every)
    held = len(every) // 5
    orders = [np.random.default_rng(seed).permutation(len(every)) for seed in setting.seeds]
    block = Block(lstm(32, outputs=LETTERS), x, one_hot(answers), setting.seeds, loss="cross-entropy")

    def epoch(index: int) -> Array:
        drawn = [
            np.random.default_rng([seed, index]).choice(order[held:], DRAWS)
            for seed, order in zip(setting.seeds, orders, strict=True)
        ]
        return np.stack(drawn, axis=1)[:, :, None]

    epochs = 500
    block.fit(epoch(index) for index in range(setting.epochs(epochs)))
    tested = np.stack([order[:held] for order in orders], axis=1)
    found = block.predict(tested).argmax(axis=-1) == answers[tested]
    settings = f"the same network and {epochs * DRAWS} updates; {held} of {len(every)} substrings held out"
    return Arm(name, "corrected", settings, {ACCURACY: values(found.mean(axis=0))})
