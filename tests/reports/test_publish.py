"""The compact form of a run says what the run says."""

import json
import lzma

import pytest
import synthetic

from reports.analysis import analyse
from reports.collect.read import RunNotReadableError, read
from reports.publish import BEGIN, END, PUBLISHED, compact, publish, renew, weights
from reports.render import write_report
from reports.summary import write_summary


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    records = [
        *synthetic.pair(synthetic.hits(200, seed=1), synthetic.hits(400, success=0.7, seed=2)),
        *synthetic.pair(synthetic.hits(300, seed=3), [None] * 10, window=8),
        synthetic.time(),
    ]
    folder = synthetic.write(place / "run", records, family=synthetic.family(records))
    return folder, publish(folder, place / "published" / "run").parent


def test_every_verdict_and_interval_is_the_same(folders):
    write_report(read(folders[0]))
    whole, published = (json.loads((folder / "summary.json").read_text()) for folder in folders)
    assert published == whole


def test_it_is_smaller_and_holds_every_record(folders):
    whole, published = (read(folder) for folder in folders)
    assert [one.key for one in published.records] == [one.key for one in whole.records]
    plain = lzma.decompress((folders[1] / "records.jsonl.xz").read_bytes())
    assert len(plain) < 0.7 * (folders[0] / "records.jsonl").stat().st_size


def test_a_record_of_a_failed_case_is_kept():
    failed = synthetic.record(synthetic.case(), {}, outcome="crashed", message="ended by SIGKILL")
    (line,) = compact([json.dumps(failed).encode()])
    assert json.loads(line) == failed


def test_a_torn_file_is_named(folders, tmp_path):
    torn = tmp_path / "torn"
    torn.mkdir()
    whole = (folders[1] / "records.jsonl.xz").read_bytes()
    (torn / "records.jsonl.xz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunNotReadableError, match=r"records.jsonl.xz is torn"):
        read(torn)


def test_two_runs_that_disagree_are_named_with_the_one_that_weighs_more(tmp_path):
    def made(name, seeds, stateless):
        records = synthetic.pair([200] * seeds, [stateless] * seeds, task="lagged_mean", dial=16)
        records += synthetic.pair([200] * seeds, [400] * seeds, task="lagged_mean", dial=16, window=8)
        folder = synthetic.write(tmp_path / name, records, family=synthetic.family(records))
        write_summary(analyse(read(folder)), folder / "summary.json")

    (tmp_path / "README.md").write_text(f"before\n{BEGIN}old\n{END}after\n")
    made("large", 20, 400)
    made("small", 8, 200)
    renew(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith(f"before\n{BEGIN}| run |")
    assert text.endswith(f"{END}after\n")
    assert "| `large` | 20 | 20 | 1 | 2 | 2 | 2 |" in text
    assert "`large` and `small` both declared 2 comparisons; 1 came out differently, none is reversed." in text
    assert "There `large` weighs more, with 20 seeds per arm instead of 8." in text
    assert text.count("| lagged_mean@16, LSTM 8, window 4, batch 8 | fewer, 0.4") == 1
    made("small", 20, 100)
    assert "1 came out differently, 1 of them reversed. There neither weighs more" in weights(tmp_path)


def test_what_is_published_says_how_much_its_runs_weigh():
    _, _, told = (PUBLISHED / "README.md").read_text().partition(BEGIN)
    assert told.partition(END)[0] == weights(PUBLISHED), "python -m reports.publish renews it"
