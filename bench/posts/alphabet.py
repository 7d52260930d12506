"""The alphabet of the fifth post: one letter in, the next one out, with and without windows and carried state."""

from collections.abc import Callable

import numpy as np

from bench.posts.alphabet_arms import (
    ACCURACY,
    COLD,
    DRAWS,
    IN_ORDER,
    PAIRS,
    Stateful,
    held_out_arm,
    one_hot,
    padded,
    rows,
    scaled,
    stateless_arm,
    substring,
)
from bench.posts.registry import Setting
from bench.posts.result import Arm, Claim, Entry, no_or_same

TABLE = {"best stateless model (a table of the last letter)": 1.0, "chance": 1 / PAIRS}
MEMORYLESS = (
    "The next letter follows from the last one alone: a table without any memory has 100 %, so a figure up to 100 % "
    "is no sign of memory."
)


def char(setting: Setting) -> Entry:
    """alphabet-char."""
    letters, answers = rows(1)
    post, fair = "one letter, as in the post", "one letter, one-hot input"
    arms = [
        _single(post, setting),
        stateless_arm(fair, "corrected", one_hot(letters), answers, "one letter of 26 inputs", setting),
    ]
    claims = [
        _published(post, ACCURACY, 0.85, "about 85 %"),
        Claim(
            "compare", "flaw", "the number as input costs accuracy", ACCURACY, post, b=fair,
            yes="What keeps it below 100 % is 25 classes read from one number, not a lack of memory: one-hot input, "
            "still without memory, does better.",
            no="One-hot input does no better.",
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-char", "one letter to the next, stateless", setting, arms, claims,
        "about 85 % after 500 epochs",
        "the mapping is one-to-one: no memory is needed at all",
    )  # fmt: skip


def feature_window(setting: Setting) -> Entry:
    """alphabet-feature-window."""
    letters, answers = rows(3)
    post, fair = "three letters as features, as in the post", "three letters as features, one-hot"
    single = "one letter, as in alphabet-char"
    arms = [
        _features(post, setting),
        stateless_arm(
            fair, "corrected", one_hot(letters).reshape(len(letters), 1, -1), answers, "78 inputs, one step", setting
        ),
        _single(single, setting),
    ]
    below = [float(value < 0.9) for value in arms[0].figures[ACCURACY]]
    arms[0] = Arm(post, "as published", arms[0].settings, {**arms[0].figures, "below 90 %": below})
    claims = [
        Claim("share", "post", "accuracy below 90 %", "below 90 %", post),
        Claim("compare", "post", "one letter does worse than three as features", ACCURACY, single, b=post),
        Claim(
            "compare", "flaw", "numbers as input cost accuracy", ACCURACY, post, b=fair,
            yes="Again the coding of the input sets the figure.", no="One-hot input does no better.",
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-feature-window", "three letters as three features", setting, arms, claims,
        "slightly better than one letter, under 90 %",
        "three numbers in one step; the last one alone decides",
    )  # fmt: skip


def step_window(setting: Setting) -> Entry:
    """alphabet-step-window."""
    letters, answers = rows(3)
    post, features = "three letters as steps, as in the post", "three letters as features"
    longer = "one letter, as many updates"
    arms = [
        stateless_arm(post, "as published", scaled(letters), answers, "three steps of one number", setting),
        _features(features, setting),
        stateless_arm(
            longer, "corrected", one_hot(letters[:, -1:]), answers, "one letter of 26 inputs, the last", setting
        ),
    ]
    claims = [
        _published(post, ACCURACY, 1.0, "100 %"),
        Claim(
            "compare", "remains", "features do worse than steps", ACCURACY, features, b=post,
            yes="Three numbers are easier to tell apart read one after another than read at once.",
            no="Features do no worse than steps.",
        ),
        Claim(
            "compare", "flaw", "one letter does worse than three", ACCURACY, longer, b=post,
            yes="Three steps hold something that one letter does not.",
            **no_or_same(
                "One letter, coded so that it can be read, does no worse: the answer is in the last letter alone."
            ),
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-step-window", "three letters as three steps", setting, arms, claims,
        "100 %", "the first two letters say nothing that the third does not",
    )  # fmt: skip


def state_in_batch(setting: Setting) -> Entry:
    """alphabet-state-in-batch."""
    letters, answers = rows(1)
    x = scaled(letters)
    post, long, mixed = "all rows in one batch, 500 epochs, as in the post", "the same, 5000 epochs", "rows shuffled"
    single = "B = 1, as many updates"
    arms = [
        stateless_arm(post, "as published", x, answers, "one letter", setting, batch_size=PAIRS, keep_order=True),
        stateless_arm(
            long, "as published", x, answers, "one letter", setting, epochs=5000, batch_size=PAIRS, keep_order=True
        ),
        stateless_arm(mixed, "corrected", x, answers, "one letter", setting, epochs=5000, batch_size=PAIRS),
        stateless_arm(single, "corrected", x, answers, "one letter", setting, epochs=200),
    ]
    claims = [
        _published(post, ACCURACY, 1.0, "100 %, at the 500 epochs of the post"),
        _published(long, ACCURACY, 1.0, "100 %, at ten times the epochs"),
        Claim(
            "compare", "flaw", "shuffling the rows of the batch costs accuracy", ACCURACY, mixed, b=long,
            yes="Shuffled rows do worse.",
            **no_or_same("Rows in any order do as well: the rows of a batch do not pass state to each other."),
        ),
        Claim(
            "compare", "remains", "5000 updates of one letter do worse than 5000 of all", ACCURACY, single, b=long,
            yes="For the same updates a batch of all letters, which shows 25 times as many, learns more: no memory in "
            "it.",
            no="For the same updates one letter at a time does no worse.",
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-state-in-batch", "all letters in one unshuffled batch", setting, arms, claims,
        "100 %",
        "state does not pass between the rows of a batch; what changed is one update an epoch",
        ["5000 epochs were added: 500 of one update each are few."],
    )  # fmt: skip


def stateful(setting: Setting) -> Entry:
    """alphabet-stateful."""
    letters, answers = rows(1)
    post, small = "stateful, LSTM(50), as in the post", "stateful, LSTM(32)"
    plain, ordered = "stateless, LSTM(50), shuffled", "stateless, LSTM(50), in order"
    order = "one letter, B = 1, 300 epochs in order, state carried, reset after each"
    without = [
        stateless_arm(
            name, "corrected", scaled(letters), answers, "one letter", setting, epochs=300, units=50, keep_order=kept
        )
        for name, kept in ((plain, False), (ordered, True))
    ]
    arms = [
        Arm(post, "as published", f"{order}, LSTM(50)", Stateful(setting, 50).figures()),
        Arm(small, "corrected", f"{order}, LSTM(32)", Stateful(setting, 32).figures()),
        # Without state a letter's answer is the same wherever it is asked.
        *(
            Arm(one.name, one.column, one.settings, dict.fromkeys((IN_ORDER, COLD), one.figures[ACCURACY]))
            for one in without
        ),
    ]
    claims = [
        _published(post, IN_ORDER, 1.0, "100 %"),
        Claim(
            "compare", "flaw", "32 units do worse than 50", IN_ORDER, small, b=post,
            yes="The larger network is part of the 100 %.",
            **no_or_same("With the 32 units of the other rows it does as well."),
        ),
        Claim(
            "compare", "remains", "stateless with the same units, epochs and order does worse in order", IN_ORDER,
            ordered, b=post,
            yes="With equal units, epochs and order, carrying state does give the higher accuracy, read from A on.",
            no="With equal units, epochs and order, carrying state gives no higher accuracy.",
        ),
        Claim(
            "compare", "remains", "asked one letter at a time after a reset, stateful does worse", COLD, post,
            b=ordered,
            yes="Asked for a letter out of the blue, the stateful model does worse than the stateless one: it learnt "
            "the position.",
            no="Asked for a letter out of the blue, the stateful model does no worse.",
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-stateful", "one letter, stateful", setting, arms, claims, "100 %",
        "a larger network; scored on its training data",
    )  # fmt: skip


def cold_start(setting: Setting) -> Entry:
    """alphabet-cold-start."""
    post, fair = "trained in order from A, as in the post", "trained from random letters"
    arms = [
        Arm(
            post, "as published", "LSTM(50), B = 1, 300 epochs from A, reset after each",
            Stateful(setting, 50).from_k(),
        ),
        Arm(
            fair, "corrected", "LSTM(50), B = 1, as many updates in runs of five letters, each after a reset",
            Stateful(setting, 50, anywhere=True).from_k(),
        ),
    ]  # fmt: skip
    answers_b, answers_l, warm_l = arms[0].figures
    claims = [
        Claim("share", "post", 'asked from "K" after a reset it answers "B"', answers_b, post),
        Claim("share", "post", 'fed A to J first it answers "L"', warm_l, post),
        Claim(
            "share", "flaw", 'trained from random letters it answers "L" after a reset', answers_l, fair,
            yes='Trained with resets at random letters, it answers "L" at once: the position was learnt because every '
            "reset came before A.",
            no="Resets at random letters do not mend it in the same number of updates.",
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-cold-start", 'the stateful model asked from "K"', setting, arms, claims,
        'answers "B", not "L", after a reset; feeding A to J first mends it',
        "it learnt the position, not the letter: all resets in training came before A",
    )  # fmt: skip


def variable_length(setting: Setting) -> Entry:
    """alphabet-variable-length."""
    post, fair = "1000 substrings of seed 7, as in the post", "a fifth of the substrings never seen"
    # The post's own draws: NumPy's old generator from seed 7.
    old = np.random.RandomState(7)
    drawn = [substring(old) for _ in range(DRAWS)]
    x, answers = padded(drawn)
    arms = [
        stateless_arm(post, "as published", x, answers, "up to five letters, padded in front with 0", setting),
        held_out_arm(fair, setting),
    ]
    claims = [
        _published(post, ACCURACY, 0.98, "about 98 %"),
        Claim(
            "compare", "flaw", "substrings that were not seen are answered worse", ACCURACY, fair, b=post,
            yes="Scored on substrings that were not trained on, it does worse.",
            no="Substrings that were not trained on are answered no worse: the figure is not memorised.",
        ),
    ]  # fmt: skip
    return _entry(
        "alphabet-variable-length", "substrings of up to five letters", setting, arms, claims, "about 98 %",
        'scored on its training data; "A" is coded as 0, as the padding is',
        ["The post names no epochs: the 500 of its other rows were taken, B = 1."],
    )  # fmt: skip


def _single(name: str, setting: Setting) -> Arm:
    """Train the post's first model."""
    letters, answers = rows(1)
    return stateless_arm(name, "as published", scaled(letters), answers, "one letter as a number in 0..1", setting)


def _features(name: str, setting: Setting) -> Arm:
    """Train three letters as three features of one step."""
    letters, answers = rows(3)
    x = scaled(letters).transpose(0, 2, 1)
    return stateless_arm(name, "as published", x, answers, "three numbers, one step", setting)


def _published(arm: str, figure: str, value: float, words: str) -> Claim:
    return Claim("published", "post", f"{figure}: {words}", figure, arm, value=value, rounding=0.005)


def _entry(
    name: str, title: str, setting: Setting, arms: list[Arm], claims: list[Claim], published: str, flaw: str,
    notes: list[str] | None = None,
) -> Entry:  # fmt: skip
    return Entry(
        id=name, post="004", title=title, published=published, flaw=flaw, seeds=list(setting.seeds), arms=arms,
        baselines={figure: TABLE for figure in (ACCURACY, IN_ORDER, COLD) if figure in arms[0].figures},
        claims=claims, notes=[*(notes or []), MEMORYLESS],
    )  # fmt: skip


RUNS: dict[str, Callable[[Setting], Entry]] = {
    "alphabet-char": char,
    "alphabet-feature-window": feature_window,
    "alphabet-step-window": step_window,
    "alphabet-state-in-batch": state_in_batch,
    "alphabet-stateful": stateful,
    "alphabet-cold-start": cold_start,
    "alphabet-variable-length": variable_length,
}
