"""The compact form of a run says what the run says."""

import json
import lzma

import pytest
import synthetic

from reports.collect.read import RunNotReadableError, read
from reports.publish import compact, publish
from reports.render import write_report


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
