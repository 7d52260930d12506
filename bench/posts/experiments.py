"""Every experiment and piece of behaviour that the posts show, by id; importing this imports no framework."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.errors import PlanError, unknown
from bench.posts.entry import Findings

SEEDS = 10
"""Seeds of an experiment."""


@dataclass(frozen=True)
class Setting:
    """What is the same for all experiments of a call.

    Attributes
    ----------
    seeds
        One training each.
    fraction
        Share of the published epochs that are trained; 1 for anything that is to be believed.
    ld2011
        Path of the file LD2011_2014.txt; the series shipped with the project if None.
    silverbox
        Path of the Silverbox data; without it that experiment is left out.
    """

    seeds: tuple[int, ...] = tuple(range(SEEDS))
    fraction: float = 1.0
    ld2011: Path | None = None
    silverbox: Path | None = None

    def __post_init__(self) -> None:
        if self.ld2011 is not None and not self.ld2011.is_file():
            raise PlanError(f"LD2011={self.ld2011} is no file; give the path of LD2011_2014.txt, unpacked.")
        if self.silverbox is not None and not self.silverbox.is_file():
            raise PlanError(f"SILVERBOX={self.silverbox} is no file; give a CSV file with the columns part, u and y.")
        if len(self.seeds) < 2:
            raise PlanError(f"{len(self.seeds)} seed(s) give no interval; take at least 2, and 10 for a page.")

    @property
    def data(self) -> str:
        """Which series electricity is run on."""
        return "LD2011_2014" if self.ld2011 else "shipped"

    def epochs(self, published: int) -> int:
        """Epochs to train."""
        return max(1, round(self.fraction * published))


@dataclass(frozen=True)
class Experiment:
    """What was published, and the module with the function of the id's name that runs it."""

    id: str
    module: str
    post: str
    title: str
    published: str
    flaw: str = ""
    seconds: int = 10
    """About how long it takes on one core: long ones begin first, so that no core waits for a last one."""
    alone: bool = False
    """It measures time, so nothing else may run beside it."""
    needs: str = ""
    """The field of the setting without which it cannot be run: a file that is not shipped."""

    def run(self, setting: Setting) -> Findings:
        """Run it; imports TensorFlow."""
        findings: Findings = getattr(import_module(f"bench.posts.{self.module}"), self.id.replace("-", "_"))(setting)
        return findings


EXPERIMENTS: dict[str, Experiment] = {one.id: one for one in (
    Experiment(
        "cosine-stateless", "train_cosine", "000", "stateless LSTM on a cosine",
        "training loss 0.0012 after 5 min 08 s (the post's predecessor); test mse 1.3e-4 (source notebook: 100 epochs, "
        "dropout .3, split 67/33)",
        "two lags predict a cosine exactly, and persistence is better than the published training loss, though dropout "
        "raises that: a sanity check",
        seconds=50,
    ),
    Experiment(
        "cosine-stateful", "train_cosine", "000", "stateful LSTM on a cosine",
        "training loss 0.0014 after 4 min 29 s (predecessor, L = 20); test mse 4.9e-6 at L = 20 and 4.5e-4 at L = 40, "
        "200 epochs each (source notebook)",
        "L differs from the stateless arm; windows at stride 1 are no continuation: each reads L - 1 values again that "
        "the state has seen",
        seconds=200,
    ),
    Experiment(
        "cosine-stacked-stateful", "train_cosine", "000", "two stateful LSTM layers on a cosine",
        "53 min 04 s (predecessor); test mse 4.2e-4 (source notebook)",
        "as for one layer, and more than three times the epochs",
        seconds=350,
    ),
    Experiment(
        "cosine-three-layers-stateful", "train_cosine", "000", "three stateful LSTM layers on a cosine",
        "test mse 4.1e-3 (source notebook)", "as for two layers", seconds=150,
    ),
    Experiment(
        "cosine-mlp", "train_cosine", "002, example 3", "perceptron on a cosine",
        "test mse 7.6e-3 in 2 s (source notebook: L = 40, 100 epochs)", "fifteen times worse than persistence",
    ),
    Experiment(
        "lagged-average", "train_lagged_average", "002, example 1",
        "mean of the last tsteps values, from windows of lahead",
        "with lahead < tsteps only the stateful model converges, with lahead >= tsteps both do",
        "one seed; for lahead > 1 the windows run newest first, and each re-reads what the state has seen",
        seconds=40,
    ),
    Experiment(
        "electricity", "train_electricity", "002, example 2", "the book's electricity example",
        "rmse 6.2 % of the range stateless, 5.9 % stateful, one run each; a public rerun got 6.1 and 6.6",
        "with stride 1 and B = one day, row i gets the state of the window 24 h earlier across a gap; the target skips "
        "a step; scaled on all data; the last 21 rows are zeros; no baseline",
        seconds=100,
    ),
    Experiment(
        "alphabet-char", "train_alphabet", "004", "one letter to the next, stateless",
        "about 85 % after 500 epochs", "the mapping is one-to-one: no memory is needed at all",
    ),
    Experiment(
        "alphabet-feature-window", "train_alphabet", "004", "three letters as three features",
        "slightly better than one letter, under 90 %", "three numbers in one step; the last one alone decides",
    ),
    Experiment(
        "alphabet-step-window", "train_alphabet", "004", "three letters as three steps",
        "100 %", "the first two letters say nothing that the third does not",
    ),
    Experiment(
        "alphabet-state-in-batch", "train_alphabet", "004", "all letters in one unshuffled batch",
        "100 %", "state does not pass between the rows of a batch; what changed is one update an epoch",
    ),
    Experiment(
        "alphabet-stateful", "train_alphabet", "004", "one letter, stateful",
        "100 %", "a larger network; scored on its training data",
    ),
    Experiment(
        "alphabet-cold-start", "train_alphabet", "004", 'the stateful model asked from "K"',
        'answers "B", not "L", after a reset; feeding A to J first mends it',
        "it learnt the position, not the letter: all resets in training came before A",
    ),
    Experiment(
        "alphabet-variable-length", "train_alphabet", "004", "substrings of up to five letters",
        "about 98 %", 'scored on its training data; "A" is coded as 0, as the padding is', seconds=120,
    ),
    Experiment(
        "stacked-classification", "train_classification", "003", "three LSTM layers on random labels", "no figure",
        "random labels: nothing can be learnt that holds for other rows, and ten numbers in 0..1 are no label",
    ),
    Experiment(
        "stacked-classification-stateful", "train_classification", "003", "the same, stateful",
        "no figure", "random labels; validation moves the state", seconds=150,
    ),
    Experiment(
        "two-chunk-continuation", "check_state", "003", "train on steps 0..9, then on 10..19",
        "the state changes after every fit, predict and train_on_batch; the model and one layer can be reset",
    ),
    Experiment("two-branch", "check_state", "003", "two stateful encoders and one head", "no figure: only described"),
    Experiment(
        "embedding-classification", "check_layers", "003", "Embedding, LSTM(128), Dropout .5, sigmoid",
        "output shape (32, 10, 64)",
    ),
    Experiment(
        "masking", "check_layers", "003", "Masking(0.) before LSTM(32), steps 3 and 5 set to zero",
        "skipped steps do not change the state",
    ),
    Experiment(
        "return-state", "check_layers", "003, 001", "the options return_sequences and return_state",
        "without sequences, output equals the hidden state",
    ),
    Experiment(
        "injected-state", "check_injected_state", "001", "the state of each mini-batch is set from data",
        "rebinding states[0] to a variable of the wrong shape passes silently; setting its value must fail on a wrong "
        "shape; h is states[0], c is states[1]",
        "states of shape (2,) for 8 units; set inside a generator that runs ahead of the training; c is left as it was",
    ),
    Experiment(
        "reset-after", "check_layers", "003", "GRU with reset_after False and True",
        "no figure; reset_after=False is the default",
    ),
    Experiment(
        "unroll", "check_layers", "003", "the layer's option unroll",
        'unrolling "can speed up an RNN, tends to be memory-intensive, is only suitable for short sequences"',
        "claims without figures", alone=True,
    ),
    Experiment(
        "implementation", "check_layers", "003", "the layer's option implementation",
        'implementation 1 and 2 "have different performance on different hardware"',
        "claims without figures", alone=True,
    ),
    Experiment(
        "silverbox", "train_silverbox", "arXiv 2602.10911", "a circuit's output from its input, windows of 100 steps",
        "scaled test mse 0.00291 from a zero state, 0.00142 with a burn-in of 94 steps, 0.00222 with carried state; "
        "carried state worse than the best burn-in in 20 of 21 cells",
        "one seed, one rate, batches in order only where the state is carried, and no arm in order without state",
        seconds=200, needs="silverbox",
    ),
    Experiment(
        "silverbox-tuned", "train_silverbox", "arXiv 2602.10911", "the same data by cases of this suite",
        "carried state worse than the best burn-in in 20 of 21 cells", seconds=200, needs="silverbox",
    ),
)}  # fmt: skip
"""In the order of the posts, by example."""


def choose(only: Iterable[str], setting: Setting | None = None) -> list[Experiment]:
    """Experiments of these ids, or all that the setting has the files for if there are none.

    A PlanError names an id that is unknown, or the file that one needs.
    """
    ids = list(only)
    for name in ids:
        if name not in EXPERIMENTS:
            raise unknown("experiment", name, EXPERIMENTS)
        if setting and (needs := EXPERIMENTS[name].needs) and getattr(setting, needs) is None:
            raise PlanError(f"{name} needs {needs.upper()}=path, a file that is not shipped (docs/usage.md).")
    possible = [
        one for one in EXPERIMENTS.values() if not (setting and one.needs and getattr(setting, one.needs) is None)
    ]
    return [one for one in possible if not ids or one.id in ids]
