"""PyTorch, its own fused layers, an eager loop over updates."""

from collections.abc import Callable

import torch

from bench.speed.setting import Setting, windows


def contender(setting: Setting, replicates: int, updates: int) -> Callable[[], None]:
    """Return a function that makes `updates` updates of one model."""
    if replicates != 1:
        raise ValueError("the eager loop trains one model at a time")
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[setting.cell]
    recurrent = layer(1, setting.units, num_layers=setting.layers, batch_first=True)
    head = torch.nn.Linear(setting.units, 1)
    optimizer = torch.optim.Adam([*recurrent.parameters(), *head.parameters()], fused=True)
    x, y = (torch.from_numpy(array) for array in windows(setting, updates))

    def detached(state: object) -> object:
        return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()  # type: ignore[attr-defined]

    def epoch() -> None:
        state = None
        for window, target in zip(x, y, strict=True):
            outputs, after = recurrent(window, state)
            state = detached(after) if setting.stateful else None
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(head(outputs[:, -1]), target).backward()
            optimizer.step()

    return epoch
