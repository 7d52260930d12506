"""`model.fit`, an epoch a call, as the posts train."""

from collections.abc import Callable

import keras

from bench.speed.setting import Setting, windows


def contender(setting: Setting, replicates: int, updates: int) -> Callable[[], None]:
    """Return a function that makes `updates` updates of one model."""
    if replicates != 1:
        raise ValueError("model.fit trains one model at a time")
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
