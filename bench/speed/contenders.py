"""Those that train one model at a time as people do, and this suite's own trainer; each brings its framework itself.

Each function returns one that makes `updates` updates, an epoch, of as many replicates as it trains.
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

from bench.speed.setting import Setting, series, starts, windows

Epoch = Callable[[], None]


def model_fit(setting: Setting, _replicates: int, updates: int) -> Epoch:
    """`model.fit`, an epoch a call, as the posts train."""
    import keras  # noqa: PLC0415

    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[setting.cell]
    x, y = windows(setting, updates)
    x, y = x.reshape(-1, setting.window, 1), y.reshape(-1, 1)
    stack = [
        layer(setting.units, stateful=setting.stateful, return_sequences=depth + 1 < setting.layers)
        for depth in range(setting.layers)
    ]
    shape = (setting.batch_size, setting.window, 1)
    model = keras.Sequential([keras.Input(batch_shape=shape), *stack, keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="adam")

    def epoch() -> None:
        model.fit(x, y, batch_size=setting.batch_size, epochs=1, shuffle=not setting.stateful, verbose=0)
        if setting.stateful:
            for one in stack:
                one.reset_state()

    return epoch


def torch_eager(setting: Setting, _replicates: int, updates: int, device: str = "cpu") -> Epoch:
    """PyTorch's own layers, an eager loop over updates."""
    import torch  # noqa: PLC0415

    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[setting.cell]
    recurrent = layer(1, setting.units, num_layers=setting.layers, batch_first=True, device=device)
    return _eager(setting, updates, device, list(recurrent.parameters()), recurrent)


def torch_cudnn(setting: Setting, replicates: int, updates: int) -> Epoch:
    """The same on a GPU, where cuDNN runs the layers."""
    return torch_eager(setting, replicates, updates, device="cuda")


def flashrnn(setting: Setting, _replicates: int, updates: int, device: str = "cuda") -> Epoch:
    """FlashRNN's fused kernels in place of PyTorch's layers, in bfloat16; a layer, its input's product before it."""
    import torch  # noqa: PLC0415
    from flashrnn import flashrnn as fused  # noqa: PLC0415

    if setting.layers > 1:
        raise ValueError("one layer alone is made of FlashRNN's kernels")
    gates, kinds = {"lstm": (4, 2), "gru": (3, 1)}[setting.cell]
    units, narrow = setting.units, torch.bfloat16
    kernel = torch.nn.Linear(1, gates * units, bias=False, device=device)
    bound = units**-0.5
    recurrent = torch.empty(gates, 1, units, units, device=device).uniform_(-bound, bound).requires_grad_()
    bias = torch.zeros(gates, 1, units, device=device, requires_grad=True)

    def call(x: Any, states: Any) -> Any:
        z = kernel(x).view(*x.shape[:2], gates, 1, units).to(narrow)
        if states is None:
            states = torch.zeros(kinds, len(x), 1, 1, units, device=device, dtype=narrow)
        every, last = fused(
            z, recurrent.to(narrow), bias.to(narrow), states=states, function=setting.cell, backend="cuda_fused"
        )
        return every[0, :, :, 0].float(), last

    return _eager(setting, updates, device, [*kernel.parameters(), recurrent, bias], call)


def _eager(setting: Setting, updates: int, device: str, weights: list[Any], recurrent: Any) -> Epoch:
    """Train weights of `recurrent`, (x, states) -> (outputs, states), and a head, update by update."""
    import torch  # noqa: PLC0415

    head = torch.nn.Linear(setting.units, 1, device=device)
    optimizer = torch.optim.Adam([*weights, *head.parameters()], fused=True)
    x, y = (torch.from_numpy(array).to(device) for array in windows(setting, updates))

    def epoch() -> None:
        state = None
        for window, target in zip(x, y, strict=True):
            outputs, after = recurrent(window, state)
            if setting.stateful:
                state = tuple(s.detach() for s in after) if isinstance(after, tuple) else after.detach()
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(head(outputs[:, -1]), target).backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return epoch


def this_trainer(setting: Setting, replicates: int, updates: int) -> Epoch:
    """The suite's own trainer: a block of replicates in one compiled computation."""
    from bench import engines  # noqa: PLC0415
    from bench.engines.base import Feed, HeldOut, Layout, Network, Work  # noqa: PLC0415
    from bench.measure.initial_weights import initial_weights  # noqa: PLC0415

    engine = engines.create("tensorflow")
    one_core = len(os.sched_getaffinity(0)) == 1
    # A new folder for each process, so that nothing compiled by another is taken over.
    cache = Path(gettempdir()) / f"statebench-speed-{os.getpid()}"
    engine.configure(threads=1 if one_core else None, device="cpu", cache=cache, short_loops=True)
    inputs, targets = series()
    network = Network(setting.cell, setting.layers, setting.units, 1, 1)
    work = Work(
        network,
        Layout(setting.window, setting.batch_size, updates, replicates),
        Feed(np.eye(setting.window)[-1], carried=setting.stateful),
        inputs,
        targets,
        HeldOut(start=800, positions=np.arange(900, 990, 3), steps=setting.window),
    )
    trainer = engine.trainer(work, "replicated")
    for slot in range(replicates):
        trainer.place(slot, initial_weights(network, slot), 1e-3, slot)
    rows = np.stack([starts(setting, updates, seed) for seed in range(replicates)], axis=1)

    def epoch() -> None:
        trainer.train(rows, reset=True)

    return epoch
