"""Contenders of `make speed` that no machine here has all of; FlashRNN by a stand-in of its name and signature."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.speed import __main__ as front_door
from bench.speed import contenders
from bench.speed.setting import Setting


def test_every_contender_is_there():
    for one in front_door.CONTENDERS:
        module, _, function = one.build.partition(".")
        if module != "jax_vmap" or find_spec("jax"):
            assert callable(getattr(import_module(f"bench.speed.{module}"), function))


@pytest.mark.skipif(find_spec("torch") is None, reason="torch not installed: pip install 'statebench[torch]'")
@pytest.mark.parametrize("stateful", [True, False])
def test_flashrnn_gets_what_it_documents_and_its_states_are_carried(monkeypatch, stateful):
    import torch  # noqa: PLC0415

    calls, handed_out = [], []

    def flashrnn(wx, r, b, states, function, backend):
        assert (wx.shape, r.shape, b.shape) == ((2, 5, 4, 1, 8), (4, 1, 8, 8), (4, 1, 8))
        assert states.shape == (2, 2, 1, 1, 8)
        assert {wx.dtype, r.dtype, b.dtype, states.dtype} == {torch.bfloat16}
        assert (function, backend) == ("lstm", "cuda_fused")
        assert not states.requires_grad
        calls.append(states.float().numpy())
        every = torch.tanh((wx + b).sum(2) + torch.einsum("btnd,gndc->btnc", states[0], r))[None].repeat(2, 1, 1, 1, 1)
        handed_out.append(every[:, :, -1:].detach().float().numpy())
        return every, every[:, :, -1:]

    stand_in = ModuleType("flashrnn")
    stand_in.flashrnn = flashrnn
    monkeypatch.setitem(sys.modules, "flashrnn", stand_in)
    epoch = contenders.flashrnn(Setting(units=8, window=5, batch_size=2, stateful=stateful), 1, 3, device="cpu")
    epoch()
    assert not calls[0].any()
    for before, after in zip(calls[1:], handed_out[:-1], strict=True):
        np.testing.assert_array_equal(before, after if stateful else 0 * after)
    # The weights were trained: the same window makes another state in the next epoch.
    epoch()
    assert (handed_out[3] != handed_out[0]).any() or not stateful


def test_an_outside_contender_that_fails_is_left_out_and_another_is_an_error(monkeypatch, capsys):
    def refuse(contender, *_):
        raise RuntimeError(f"{contender.name} ended")

    monkeypatch.setattr(front_door, "Running", refuse)
    outside, own = (front_door.Contender(name, "nowhere", outside=name == "FlashRNN") for name in ("FlashRNN", "own"))
    assert front_door._measure([(outside, "python")], Setting(), 1) == {}
    assert "left out: FlashRNN ended" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="own ended"):
        front_door._measure([(own, "python")], Setting(), 1)


def test_a_contender_is_served_by_its_name():
    asked = '{"build": "contenders.nobody", "setting": {}, "replicates": 1, "updates": 1, "cores": null}'
    done = subprocess.run(
        [sys.executable, "-m", "bench.speed.setting", asked],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert "has no attribute 'nobody'" in done.stderr
