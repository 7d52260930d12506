"""The alphabet of the fifth post: one letter in, the next one out, with and without windows and carried state."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, in_order, lstm, shuffled
from bench.posts.entry import Arm, Claim, Column, Findings, ask
from bench.posts.experiments import Setting

LETTERS = 26
PAIRS = LETTERS - 1
LONGEST = 5
UPDATES_A_CALL = 500
DRAWS = 1000
K, L, B = (ord(letter) - ord("A") for letter in "KLB")

ACCURACY, IN_ORDER, COLD = "accuracy", "accuracy in order", "accuracy of each letter after a reset"
TABLE = {"best stateless model (a table of the last letter)": 1.0, "chance": 1 / PAIRS}
MEMORYLESS = (
    "The next letter follows from the last one alone: a table without any memory has 100 %, so a figure up to 100 % "
    "is no sign of memory."
)


def alphabet_char(setting: Setting) -> Findings:
    """One letter, as a number and one-hot."""
    post = _single("one letter, as in the post", setting)
    fair = windows("one letter, one-hot input", rows(1), "one letter of 26 inputs", setting, one_hot, "corrected")
    return _findings([post, fair], [
        _published(post, ACCURACY, 0.85, "about 85 %"),
        ask("compare", "flaw", "the number as input costs accuracy", ACCURACY, post, fair,
            yes="What keeps it below 100 % is 25 classes read from one number, not a lack of memory: one-hot input, "
            "still without memory, does better.",
            no="One-hot input does no better."),
    ])  # fmt: skip


def alphabet_feature_window(setting: Setting) -> Findings:
    """Three letters in one step."""
    trained = _features("three letters as features, as in the post", setting)
    below = trained.figures[ACCURACY] < 0.9
    post = Arm(trained.name, trained.column, trained.settings, {**trained.figures, "below 90 %": below})
    fair = windows(
        "three letters as features, one-hot", rows(3), "78 inputs, one step", setting,
        lambda each: one_hot(each).reshape(len(each), 1, -1), "corrected",
    )  # fmt: skip
    single = _single("one letter, as in alphabet-char", setting)
    return _findings([post, fair, single], [
        ask("share", "post", "accuracy below 90 %", "below 90 %", post),
        ask("compare", "post", "one letter does worse than three as features", ACCURACY, single, post),
        ask("compare", "flaw", "numbers as input cost accuracy", ACCURACY, post, fair,
            yes="Again the coding of the input sets the figure.", no="One-hot input does no better."),
    ])  # fmt: skip


def alphabet_step_window(setting: Setting) -> Findings:
    """Three letters in three steps."""
    post = windows("three letters as steps, as in the post", rows(3), "three steps of one number", setting)
    features = _features("three letters as features", setting)
    last = windows(
        "one letter, as many updates", rows(3)[:, -1:], "one letter of 26 inputs, the last", setting, one_hot,
        "corrected",
    )  # fmt: skip
    return _findings([post, features, last], [
        _published(post, ACCURACY, 1.0, "100 %"),
        ask("compare", "remains", "features do worse than steps", ACCURACY, features, post,
            yes="Three numbers are easier to tell apart read one after another than read at once.",
            no="Features do no worse than steps."),
        ask("compare", "flaw", "one letter does worse than three", ACCURACY, last, post,
            yes="Three steps hold something that one letter does not.",
            otherwise="One letter, coded so that it can be read, does no worse: the answer is in the last letter "
            "alone."),
    ])  # fmt: skip


def alphabet_state_in_batch(setting: Setting) -> Findings:
    """All letters in one batch."""
    one = partial(windows, letters=rows(1), words="one letter", setting=setting)
    post = one("all rows in one batch, 500 epochs, as in the post", batch_size=PAIRS, keep_order=True)
    long = one("the same, 5000 epochs", epochs=5000, batch_size=PAIRS, keep_order=True)
    mixed = one("rows shuffled", column="corrected", epochs=5000, batch_size=PAIRS)
    single = one("B = 1, as many updates", column="corrected", epochs=200)
    claims = [
        _published(post, ACCURACY, 1.0, "100 %, at the 500 epochs of the post"),
        _published(long, ACCURACY, 1.0, "100 %, at ten times the epochs"),
        ask("compare", "flaw", "shuffling the rows of the batch costs accuracy", ACCURACY, mixed, long,
            yes="Shuffled rows do worse.",
            otherwise="Rows in any order do as well: the rows of a batch do not pass state to each other."),
        ask("compare", "remains", "5000 updates of one letter do worse than 5000 of all", ACCURACY, single, long,
            yes="For the same updates a batch of all letters, which shows 25 times as many, learns more: no memory in "
            "it.",
            no="For the same updates one letter at a time does no worse."),
    ]  # fmt: skip
    return _findings([post, long, mixed, single], claims, "5000 epochs were added: 500 of one update each are few.")


def alphabet_stateful(setting: Setting) -> Findings:
    """One letter with the state carried through the alphabet."""
    order = "one letter, B = 1, 300 epochs in order, state carried, reset after each"

    def carried(name: str, column: Column, units: int) -> Arm:
        return Arm(name, column, f"{order}, LSTM({units})", Stateful(setting, units).figures())

    post = carried("stateful, LSTM(50), as in the post", "as published", 50)
    small = carried("stateful, LSTM(32)", "corrected", 32)
    # Without state a letter's answer is the same wherever it is asked.
    stateless = partial(
        windows, letters=rows(1), words="one letter", setting=setting, column="corrected", epochs=300, units=50,
        figures=(IN_ORDER, COLD),
    )  # fmt: skip
    plain = stateless("stateless, LSTM(50), shuffled")
    ordered = stateless("stateless, LSTM(50), in order", keep_order=True)
    return _findings([post, small, plain, ordered], [
        _published(post, IN_ORDER, 1.0, "100 %"),
        ask("compare", "flaw", "32 units do worse than 50", IN_ORDER, small, post,
            yes="The larger network is part of the 100 %.",
            otherwise="With the 32 units of the other rows it does as well."),
        ask("compare", "remains", "stateless with the same units, epochs and order does worse in order", IN_ORDER,
            ordered, post,
            yes="With equal units, epochs and order, carrying state does give the higher accuracy, read from A on.",
            no="With equal units, epochs and order, carrying state gives no higher accuracy."),
        ask("compare", "remains", "asked one letter at a time after a reset, stateful does worse", COLD, post, ordered,
            yes="Asked for a letter out of the blue, the stateful model does worse than the stateless one: it learnt "
            "the position.",
            no="Asked for a letter out of the blue, the stateful model does no worse."),
    ])  # fmt: skip


def alphabet_cold_start(setting: Setting) -> Findings:
    """The stateful model, asked out of the blue."""
    post = Arm(
        "trained in order from A, as in the post", "as published",
        "LSTM(50), B = 1, 300 epochs from A, reset after each", Stateful(setting, 50).from_k(),
    )  # fmt: skip
    fair = Arm(
        "trained from random letters", "corrected",
        "LSTM(50), B = 1, as many updates in runs of five letters, each after a reset",
        Stateful(setting, 50, anywhere=True).from_k(),
    )  # fmt: skip
    answers_b, answers_l, warm_l = post.figures
    return _findings([post, fair], [
        ask("share", "post", 'asked from "K" after a reset it answers "B"', answers_b, post),
        ask("share", "post", 'fed A to J first it answers "L"', warm_l, post),
        ask("share", "flaw", 'trained from random letters it answers "L" after a reset', answers_l, fair,
            yes='Trained with resets at random letters, it answers "L" at once: the position was learnt because every '
            "reset came before A.",
            no="Resets at random letters do not mend it in the same number of updates."),
    ])  # fmt: skip


def alphabet_variable_length(setting: Setting) -> Findings:
    """Substrings, padded in front."""
    # The post's own draws: NumPy's old generator from seed 7.
    old = np.random.RandomState(7)
    drawn = padded([substring(old) for _ in range(DRAWS)])
    post = windows(
        "1000 substrings of seed 7, as in the post", drawn, "up to five letters, padded in front with 0", setting
    )
    fair = _held_out("a fifth of the substrings never seen", setting)
    claims = [
        _published(post, ACCURACY, 0.98, "about 98 %"),
        ask("compare", "flaw", "substrings that were not seen are answered worse", ACCURACY, fair, post,
            yes="Scored on substrings that were not trained on, it does worse.",
            no="Substrings that were not trained on are answered no worse: the figure is not memorised."),
    ]  # fmt: skip
    return _findings([post, fair], claims, "The post names no epochs: the 500 of its other rows were taken, B = 1.")


def _single(name: str, setting: Setting) -> Arm:
    """Train the post's first model."""
    return windows(name, rows(1), "one letter as a number in 0..1", setting)


def _features(name: str, setting: Setting) -> Arm:
    """Train three letters as three features of one step."""
    return windows(name, rows(3), "three numbers, one step", setting, lambda each: scaled(each).transpose(0, 2, 1))


def _published(arm: Arm, figure: str, value: float, words: str) -> Claim:
    return ask("published", "post", f"{figure}: {words}", figure, arm, value=value, rounding=0.005)


def _findings(arms: list[Arm], claims: list[Claim], *notes: str) -> Findings:
    known = {figure: TABLE for figure in (ACCURACY, IN_ORDER, COLD) if figure in arms[0].figures}
    return Findings(arms=arms, baselines=known, claims=claims, notes=[*notes, MEMORYLESS])


def one_hot(letters: Array) -> Array:
    """Letters (...) -> (..., 26)."""
    return np.eye(LETTERS)[np.asarray(letters, int)]


def scaled(letters: Array) -> Array:
    """Letters (N, L) as the post codes them: one number in 0..1, shape (N, L, 1)."""
    return np.asarray(letters)[..., None] / LETTERS


def rows(length: int) -> Array:
    """Every run of so many letters that another one follows, shape (N, length)."""
    return np.arange(LETTERS - length)[:, None] + np.arange(length)


def substring(old: np.random.RandomState) -> tuple[int, int]:
    """First and last letter of a random substring, drawn in the post's order."""
    start = old.randint(LETTERS - 2)
    return start, old.randint(start, min(start + LONGEST, LETTERS - 1))


def padded(substrings: Sequence[tuple[int, int]]) -> Array:
    """Letters (N, 5), padded in front with 0 as the post does, which is also its code for "A"."""
    letters = np.zeros((len(substrings), LONGEST), int)
    for row, (first, last) in zip(letters, substrings, strict=True):
        row[LONGEST - (last - first + 1) :] = np.arange(first, last + 1)
    return letters


def windows(
    name: str, letters: Array, words: str, setting: Setting, code: Callable[[Array], Array] = scaled,
    column: Column = "as published", *, epochs: int = 500, batch_size: int = 1, units: int = 32,
    keep_order: bool = False, figures: tuple[str, ...] = (ACCURACY,),
) -> Arm:  # fmt: skip
    """Train letters (N, L) without carried state and score them on themselves, as the post does."""
    x, answers = code(letters), letters[:, -1] + 1
    model = lstm(units, inputs=x.shape[-1], outputs=LETTERS)
    block = Block(model, x, one_hot(answers), setting.seeds, batch_size=batch_size, loss="cross-entropy")
    fixed = np.repeat(in_order(len(x), batch_size)[:, None], len(setting.seeds), axis=1)
    orders = [
        fixed if keep_order else shuffled(len(x), batch_size, setting.seeds, epoch)
        for epoch in range(setting.epochs(epochs))
    ]
    # Without state an epoch's end means nothing, and a call for each single update would cost more than the update.
    together = max(1, UPDATES_A_CALL // len(fixed))
    block.fit(np.concatenate(orders[first : first + together]) for first in range(0, len(orders), together))
    found = (block.predict(np.arange(len(x))).argmax(axis=-1) == answers[:, None]).mean(axis=0)
    settings = (
        f"{words}, LSTM({units}), B = {batch_size}, {epochs} epochs, {epochs * len(fixed)} updates, "
        f"{'in order' if keep_order else 'shuffled'}"
    )
    return Arm(name, column, settings, dict.fromkeys(figures, found))


class Stateful:
    """A stateful model of the alphabet, B = 1, trained with resets."""

    def __init__(self, setting: Setting, units: int, *, anywhere: bool = False) -> None:
        letters = rows(1)
        self._answers = letters[:, -1:] + 1
        model = lstm(units, outputs=LETTERS)
        targets = one_hot(self._answers[:, 0])
        self._block = Block(model, scaled(letters), targets, setting.seeds, carried=True, loss="cross-entropy")
        for epoch in range(setting.epochs(300)):
            self._block.fit(_runs(setting.seeds, epoch) if anywhere else [in_order(PAIRS)])

    def asked(self, letters: Sequence[int]) -> Array:
        """Answers to letters given one after another after a reset, shape (letters, R)."""
        self._block.reset()
        return np.asarray(self._block.predict(np.asarray(letters)[:, None]).argmax(axis=-1))

    def figures(self) -> dict[str, Array]:
        """Accuracy in order from "A", and of each letter asked after a reset."""
        in_turn = (self.asked(range(PAIRS)) == self._answers).mean(axis=0)
        cold = np.mean([self.asked([letter])[0] == letter + 1 for letter in range(PAIRS)], axis=0)
        return {IN_ORDER: in_turn, COLD: cold}

    def from_k(self) -> dict[str, Array]:
        """What it answers to "K": 1 or 0 per seed."""
        cold, warm = self.asked([K])[0], self.asked(range(K + 1))[-1]
        return {
            'answers "B" to "K" after a reset': cold == B,
            'answers "L" to "K" after a reset': cold == L,
            'answers "L" to "K" after A to J': warm == L,
        }


def _runs(seeds: Sequence[int], epoch: int) -> Array:
    """As many letters as an epoch has, in runs of five, each from a random letter: shape (runs, 5, R, 1)."""
    each = []
    for seed in seeds:
        starts = np.random.default_rng([seed, epoch]).integers(0, PAIRS - LONGEST + 1, PAIRS // LONGEST)
        each.append(starts[:, None] + np.arange(LONGEST))
    return np.stack(each, axis=2)[..., None]


def _held_out(name: str, setting: Setting) -> Arm:
    """Train on 1000 draws from four fifths of all substrings, score on the last fifth; another split for each seed."""
    letters = padded([(a, b) for a in range(LETTERS - 2) for b in range(a, min(a + LONGEST, LETTERS - 1))])
    answers = letters[:, -1] + 1
    held = len(letters) // 5
    orders = [np.random.default_rng(seed).permutation(len(letters)) for seed in setting.seeds]
    block = Block(lstm(32, outputs=LETTERS), scaled(letters), one_hot(answers), setting.seeds, loss="cross-entropy")

    def drawn(epoch: int) -> Array:
        each = zip(setting.seeds, orders, strict=True)
        return np.stack(
            [np.random.default_rng([seed, epoch]).choice(order[held:], DRAWS) for seed, order in each], axis=1
        )[:, :, None]

    epochs = 500
    block.fit(drawn(epoch) for epoch in range(setting.epochs(epochs)))
    tested = np.stack([order[:held] for order in orders], axis=1)
    found = block.predict(tested).argmax(axis=-1) == answers[tested]
    settings = f"the same network and {epochs * DRAWS} updates; {held} of {len(letters)} substrings held out"
    return Arm(name, "corrected", settings, {ACCURACY: found.mean(axis=0)})
