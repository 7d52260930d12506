"""A task with several dials in reports."""

import math

import synthetic
from msgspec.structs import replace

from bench.case.cases import Case
from reports.analysis import analyse
from reports.collect.grouping import Setting, dials_of
from reports.collect.read import read
from reports.render import write_report
from tasks import dials


def test_settings_are_in_order_and_named(tmp_path):
    records = [
        one
        for dial in ((16, 0.5), (4, 0.75), (4, 0.5))
        for one in synthetic.pair([200] * 10, [600] * 10, task="mixed", dial=dial)
    ]
    folder = synthetic.write(tmp_path / "run", records, family=synthetic.family(records))
    found = sorted(analyse(read(folder)).compared, key=lambda one: one.setting)
    assert [one.setting.task_name for one in found] == ["mixed@4,0.5", "mixed@4,0.75", "mixed@16,0.5"]
    assert "| mixed@4,0.75, LSTM 8, window 4, batch 8 |" in synthetic.whole(write_report(read(folder)))


def test_a_setting_is_rebuilt_from_a_frames_text():
    setting = Setting.of(Case("time", "mixed", (4, 0.5), "gru", "stateful", 1, 2, 2, 1))
    assert replace(setting, dial=dials_of(dials.write(setting.dial))) == setting
    assert dials_of(None) == dials_of(math.nan) == ()
