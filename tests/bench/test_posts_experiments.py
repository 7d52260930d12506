"""The posts' data and layouts, against what the posts say; and the command that runs them."""

import json
import time
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest

from bench.errors import PlanError
from bench.posts import __main__ as command
from bench.posts import check_layers
from bench.posts import train_alphabet as alphabet
from bench.posts import train_cosine as cosine
from bench.posts import train_silverbox as silverbox
from bench.posts.block import continued, in_order
from bench.posts.entry import SCHEMA, Arm, Check, Claim, Entry, ask, paragraphs
from bench.posts.experiments import EXPERIMENTS, Setting, choose
from bench.posts.train_electricity import WINDOW, Demand, baselines, read_ld2011
from bench.posts.train_lagged_average import (
    LEAD,
    LENGTH,
    VARIANCE,
    stateless_floor,
    table,
    target,
    walk_and_updates,
)


def test_the_cosine_is_the_posts_and_persistence_has_the_error_in_circulation():
    posts = (1 + np.cos(np.arange(1000) * (20 * np.pi / 1000))) / 2
    np.testing.assert_allclose(cosine.SERIES[:1000], posts, atol=1e-12)
    assert round(cosine.PERSISTENCE, 6) == 4.94e-4
    known = cosine.baselines()[cosine.TEST]
    assert known["best stateless model (two lags, exact)"] < 1e-20


def test_windows_of_the_cosine_are_followed_by_their_target():
    x, y = cosine.cut(20)
    np.testing.assert_array_equal(x[7, 1:, 0], y[7, :-1, 0])
    assert y[7, -1, 0] == cosine.SERIES[27]


def test_letters_their_answers_and_the_posts_coding():
    letters = alphabet.rows(3)
    assert len(letters) == 23
    np.testing.assert_array_equal(letters[-1], [22, 23, 24])
    np.testing.assert_allclose(alphabet.scaled(letters)[0, :, 0], [0, 1 / 26, 2 / 26])
    padded = alphabet.padded([(3, 5), (0, 0)])
    np.testing.assert_array_equal(padded, [[0, 0, 3, 4, 5], [0, 0, 0, 0, 0]])


def test_substrings_are_the_posts_own_draws():
    np.random.seed(7)  # noqa: NPY002 - as the post does
    start = np.random.randint(24)  # noqa: NPY002
    expected = (start, np.random.randint(start, min(start + 5, 25)))  # noqa: NPY002
    assert alphabet.substring(np.random.RandomState(7)) == expected


@pytest.mark.parametrize(("lahead", "tsteps"), [(1, 2), (4, 2), (3, 8)])
def test_the_lagged_average_by_brute_force(lahead, tsteps):
    drawn = np.random.default_rng(0).uniform(-0.1, 0.1, LENGTH + LEAD)
    newest, means = table(drawn, lahead, tsteps, newest_first=True)
    oldest, _ = table(drawn, lahead, tsteps, newest_first=False)
    for row in (0, 17, LENGTH - 1):
        now = row + LEAD - 1
        np.testing.assert_array_equal(oldest[row, :, 0], drawn[now - lahead + 1 : now + 1])
        np.testing.assert_array_equal(newest[row, :, 0], oldest[row, ::-1, 0])
        np.testing.assert_allclose(means[row, -1, 0], drawn[now - tsteps + 1 : now + 1].mean())


def test_targets_of_the_lagged_average():
    # One value of two: half the variance of the other one remains, s^2 / 4.
    assert stateless_floor(1, 2) == pytest.approx(VARIANCE / 4)
    assert target(1, 2) == pytest.approx(VARIANCE / 8)
    assert stateless_floor(2, 2) == 0
    assert target(2, 2) == pytest.approx(VARIANCE / 2 / 4)


def test_the_books_windows_skip_a_step_and_end_in_zeros():
    data = Demand(np.arange(1, 401.0), period=10)
    x, y = data.published
    np.testing.assert_allclose(x[3, :, 0], data.leaking[3 : 3 + WINDOW])
    assert y[3, 0] == data.leaking[3 + WINDOW + 1]
    assert not x[-WINDOW - 1 :].any()
    assert not y[-WINDOW - 1 :].any()
    assert x[-WINDOW - 2].any()
    ours, following = data.windows
    assert following[3, -1, 0] == data.scaled[3 + WINDOW]
    np.testing.assert_array_equal(ours[3, 1:], following[3, :-1])
    assert data.scored[0] >= data.split


def test_known_errors_of_the_baselines_on_a_line():
    data = Demand(np.arange(1, 401.0), period=10)
    known = baselines(data)
    step = 1 / 399
    two, one = known.values()
    # On a straight line persistence is off by the steps ahead, a season by the period; a linear model is exact.
    assert two["persistence"] == pytest.approx(2 * step)
    assert two["seasonal naive (a day)"] == pytest.approx(10 * step)
    assert one["persistence"] == pytest.approx(1 / 279)
    assert one["linear autoregression (20 lags), stateless"] == pytest.approx(0, abs=1e-9)


def test_predictions_without_a_network_are_held_against_rows_with_values_that_every_arm_reaches():
    rng = np.random.default_rng(0)
    for rows in (400, 437):
        data = Demand(10 + rng.random(rows), period=10)
        x, y = data.published
        assert x[data.real].all()
        assert y[data.real].all()
        np.testing.assert_array_equal(data.real, np.arange(data.split, data.split + len(data.real)))
        # Whole batches from the split on, as the stateful arm makes them.
        assert data.real[-1] < data.split + (rows - data.split) // 10 * 10
        assert len(data.real) > rows - data.split - WINDOW - 11
        persistence = np.sqrt(np.mean((x[data.real, -1] - y[data.real]) ** 2))
        assert next(iter(baselines(data).values()))["persistence"] == pytest.approx(persistence)


def test_streams_with_and_without_state_see_the_same_windows():
    walk = WINDOW * np.arange(3)[:, None] + 70 * np.arange(4)
    shifts = set()
    orders = (continued(walk, 11, [3, 4], 60, shuffle=shuffle) for shuffle in (False, True))
    for carried, fresh in zip(*orders, strict=True):
        assert carried.shape == (3, 2, 4)
        for replicate in range(2):
            np.testing.assert_array_equal(np.sort(fresh[:, replicate].ravel()), np.sort(carried[:, replicate].ravel()))
        np.testing.assert_array_equal(carried[:, 0] - carried[0, 0, 0], walk)
        assert (fresh != carried).any()
        shifts.add(carried[0, 0, 0])
    assert min(shifts) >= 0
    assert max(shifts) < 11
    assert len(shifts) > 5


@pytest.mark.parametrize("lahead", [1, 2, 4, 8])
def test_corrected_arms_of_the_lagged_average_make_about_as_many_updates(lahead):
    walk, updates = walk_and_updates(lahead, Setting())
    assert updates % len(walk) == 0
    assert updates == pytest.approx(8000, rel=0.01)


def test_what_a_stateless_cosine_arm_is_trained_on_is_what_is_said():
    one = cosine.Cosine(40, 2, hidden=(3, 2), dropout=0.0, train=104, batch_size=16)
    arms = cosine.Arms(Setting(seeds=(0, 1)))
    arm = arms.windows("a name", one, "corrected", drawn=True)
    traces = arms.findings([]).traces
    assert (arm.name, arm.column) == ("a name", "corrected")
    assert "dense 3 and 2, dropout 0, B = 16, 2 epochs of 64 stride-1 windows of the first 104 values" in arm.settings
    assert traces["first"] == {"a name": 104}
    forecast = np.array(traces["forecast"]["a name"])
    assert forecast.shape == (cosine.FORECAST_STEPS, 2)
    truth = (1 + np.cos(2 * np.pi * (104 + np.arange(cosine.FORECAST_STEPS)) / 100)) / 2
    expected = ((forecast - truth[:, None]) ** 2).mean(axis=0)
    np.testing.assert_allclose(arm.figures[cosine.FORECAST], expected, rtol=1e-2)


def write_ld2011(
    path, rows=("2011-01-01 00:15:00", "2011-01-01 00:30:00"), clients=252, value=lambda r, c: f"{r},{c:03d}"
):
    header = ";".join(['""', *(f'"MT_{c + 1:03d}"' for c in range(clients))])
    lines = [";".join([f'"{stamp}"', *(value(r, c) for c in range(clients))]) for r, stamp in enumerate(rows)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_original_file_is_read_at_the_books_column(tmp_path):
    file = write_ld2011(tmp_path / "LD2011_2014.txt")
    # The book indexes its values by 250, counted from 0: MT_251.
    np.testing.assert_allclose(read_ld2011(file), [0.250, 1.250])
    np.testing.assert_allclose(read_ld2011(file, 0), [0.0, 1.0])


def test_a_file_that_is_another_one_is_named_with_its_line(tmp_path):
    few = write_ld2011(tmp_path / "few.txt", clients=5)
    with pytest.raises(PlanError, match="5 clients, and client 251 is wanted"):
        read_ld2011(few)
    broken = write_ld2011(tmp_path / "broken.txt", value=lambda r, c: "x" if r == 1 else f"{c},5")
    with pytest.raises(PlanError, match="line 3: no number in the column of MT_251"):
        read_ld2011(broken)
    flat = write_ld2011(tmp_path / "flat.txt", value=lambda *_: "1,0")
    with pytest.raises(PlanError, match="all equal"):
        read_ld2011(flat)


def test_an_unknown_id_names_the_valid_ones(capsys, tmp_path):
    assert command.main(["--only", "cosine-statefull", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "Did you mean 'cosine-stateful'?" in said
    assert all(name in said for name in EXPERIMENTS)
    assert not any(tmp_path.iterdir())


def test_what_cannot_be_run_is_refused_before_anything_is():
    with pytest.raises(PlanError, match="LD2011=nowhere"):
        Setting(ld2011=Path("nowhere"))
    with pytest.raises(PlanError, match="no interval"):
        Setting(seeds=(1,))
    assert [one.id for one in choose(["unroll", "masking"])] == ["masking", "unroll"]
    assert len(choose([])) == len(EXPERIMENTS)


@pytest.fixture
def stub(monkeypatch):
    """Workers that write a small result at once, or fail as asked."""
    code = """
import json, sys
asked = json.loads(sys.argv[-1])
if asked["id"] == "masking":
    raise SystemExit("why it failed")
json.dump({"schema": SCHEMA, "id": asked["id"], "seeds": asked["seeds"],
           "fraction": asked["fraction"], "data": "shipped",
           "arms": [], "checks": [], "threads": asked["threads"]}, open(asked["file"], "w"))
""".replace("SCHEMA", str(SCHEMA))
    original = command.subprocess.Popen
    started = []

    def fake(arguments, **options):
        started.append(json.loads(arguments[-1])["id"])
        return original([arguments[0], "-c", code, arguments[-1]], **options)

    monkeypatch.setattr(command.subprocess, "Popen", fake)
    return started


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_an_experiment_finds_the_same_when_it_is_run_again(tmp_path):
    """By the command, in a process of its own, and here: masking draws its layers' weights from Keras."""
    assert command.main(["--only", "masking", "--seeds", "2", "--results", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "masking.json").read_text(encoding="utf-8"))
    assert found["schema"] == SCHEMA
    assert found["seeds"] == [0, 1]
    keras.utils.set_random_seed(0)
    again = check_layers.masking(Setting(seeds=(0, 1))).checks
    assert [one["holds"] for one in found["checks"]] == [one.holds for one in again]
    (difference,) = {one["found"] for one in found["checks"]} & {one.found for one in again if "smallest" in one.found}
    assert "e-" not in difference  # far above rounding


def test_finished_experiments_are_kept_and_failed_ones_lose_nothing(stub, tmp_path, capsys):
    only = ["--results", str(tmp_path / "posts"), "--workers", "2"]
    monkey = dict.fromkeys(["masking", "return-state", "unroll"])
    assert command.main([*only, "--only", ",".join(monkey)]) == 1
    said = capsys.readouterr().out
    assert "masking: FAILED (1)" in said
    assert "why it failed" in said
    assert "2 of 3 experiments" in said
    assert not (tmp_path / "posts" / "masking.json").exists()
    # What measures time comes last and gets all cores.
    assert stub[-1] == "unroll"
    assert json.loads((tmp_path / "posts" / "unroll.json").read_text())["threads"] is None
    assert command._finished(tmp_path / "posts" / "unroll.json", Setting())
    assert not command._finished(tmp_path / "posts" / "unroll.json", Setting(fraction=0.5))
    assert not command._finished(tmp_path / "posts" / "masking.json", Setting())


def test_what_is_at_work_is_ended_when_the_command_is_interrupted(tmp_path, monkeypatch):
    original = command.subprocess.Popen
    started = []

    def sleeping(arguments, **options):
        started.append(original([arguments[0], "-c", "import time; time.sleep(60)"], **options))
        return started[-1]

    def interrupted(_):
        while len(started) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(command.subprocess, "Popen", sleeping)
    monkeypatch.setattr(command, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.main(["--results", str(tmp_path), "--workers", "2"])
    assert len(started) == 2
    assert all(process.poll() for process in started)


def test_every_experiment_has_a_function_of_its_name():
    for one in EXPERIMENTS.values():
        assert callable(getattr(import_module(f"bench.posts.{one.module}"), one.id.replace("-", "_")))


def test_an_entry_is_plain_data():
    arms = [Arm("a", "corrected", "s", {"mse": np.array([1 / 3]), "converged": np.array([True])})]
    claims = [ask("compare", "flaw", "q", "mse", arms[0], arms[0], otherwise="neither")]
    assert claims == [Claim("compare", "flaw", "q", "mse", "a", "a", no="neither", same="neither")]
    entry = Entry(
        id="x", post="000", title="t", published="p", flaw="f", seeds=[0], fraction=1.0, measured={}, arms=arms,
        claims=claims, checks=[Check("it holds", np.bool_(True), "seen")], traces={"curve": np.zeros((2, 1))},
    )  # fmt: skip
    stored = json.loads(entry.to_json())
    assert stored["arms"][0]["figures"] == {"mse": [0.333333], "converged": [1.0]}
    assert stored["checks"][0]["holds"] is True
    assert stored["traces"] == {"curve": [[0.0], [0.0]]}
    assert stored["schema"] == SCHEMA
    again = Entry.from_dict(stored | {"of a later version": 1})
    assert (again.claims, again.checks) == (entry.claims, entry.checks)
    np.testing.assert_array_equal(again.arm("a").figures["mse"], entry.arm("a").figures["mse"])


def test_paragraphs_of_a_wrapped_text():
    assert paragraphs("\n  One\n  line.\n\n  Another.") == ["One line.", "Another."]


@pytest.fixture
def silverbox_file(tmp_path):
    """A file of the size of Silverbox: noise, and its mean over three rows."""
    u = np.random.default_rng(0).normal(1.0, 2.0, sum(silverbox.PARTS.values()))
    parts = [name for name, rows in silverbox.PARTS.items() for _ in range(rows)]
    y = np.convolve(u, np.ones(3) / 3)[: len(u)]
    path = tmp_path / "silverbox.csv"
    path.write_text("part,u,y\n" + "\n".join(map("{},{:.6g},{:.6g}".format, parts, u, y)))
    return path


def test_silverbox_is_scaled_by_its_training_part_and_scored_on_its_test_part(silverbox_file):
    data = silverbox.read_silverbox(Setting(silverbox=silverbox_file))
    series = silverbox.Silverbox(data).series()
    for values in (series.inputs, series.targets):
        assert [values[:20_000].mean(), values[:20_000].std()] == pytest.approx([0, 1], abs=1e-12)
    np.testing.assert_array_equal(series.scored, np.arange(30_000, 40_000))
    # A line sees what makes it.
    assert silverbox.without_network(data)["linear in the last 100 inputs"] < 1e-9


def test_a_state_carried_over_silverboxes_batches_goes_to_the_window_that_continues_it():
    order = in_order(silverbox.PARTS["train"] - silverbox.WINDOW + 1, silverbox.BATCH)
    assert (np.diff(order, axis=0) == silverbox.WINDOW).all()
    assert silverbox.EPOCHS * len(order) == silverbox.UPDATES


def test_a_silverbox_that_is_none_is_refused(silverbox_file):
    text = silverbox_file.read_text().splitlines()
    for lines, says in (
        (text[:-1], "'test': 9999"),
        ([*text[:7], "train,0.1,what", *text[8:]], "line 8: .* is no row"),
        (["a,b,c", *text[1:]], "line 2: .* is no row"),
    ):
        silverbox_file.write_text("\n".join(lines))
        with pytest.raises(PlanError, match=says):
            silverbox.read_silverbox(Setting(silverbox=silverbox_file))
    with pytest.raises(PlanError, match="SILVERBOX=nowhere is no file"):
        Setting(silverbox=Path("nowhere"))


def test_what_needs_a_file_is_run_where_it_is_given(silverbox_file):
    assert not [one for one in choose([], Setting()) if one.needs]
    with pytest.raises(PlanError, match="silverbox needs SILVERBOX=path"):
        choose(["silverbox"], Setting())
    assert [one.id for one in choose(["silverbox"], Setting(silverbox=silverbox_file))] == ["silverbox"]
