"""A recurrent layer over time with a replicate axis, and its gradient.

The gradient is derived by hand where that saves work and left to TensorFlow elsewhere. The backward pass replays a
cell's step with the values kept in the forward pass, so no product and no tanh is computed again; what is left of the
step is cheap and differentiated by a tape. The gradients of the weights are not added up step by step: the scan only
collects the gradient of every recurrent product, and one matrix product per replicate after it does the rest.

Shapes: T steps, R replicates, B batch size, F inputs, U units, G gates.
"""

from typing import Any

import tensorflow as tf

from bench.engines.tensorflow.cells import Cell, State, Tensor


class Forward:
    """Operations of the forward pass: compute, and keep what `Replay` will need."""

    def __init__(self, kernels: list[Tensor], bias: Tensor | None) -> None:
        self._kernels = kernels
        self._bias = bias
        self.gates: list[Tensor] = []
        self.beside: list[Tensor] = []

    def product(self, block: int, v: Tensor) -> Tensor:
        """Recurrent product of v (R, B, U) with one block of the recurrent kernel (R, U, J)."""
        product = tf.matmul(v, self._kernels[block])
        return product if self._bias is None else product + self._bias[:, None]

    def squash(self, z: Tensor, scales: tuple[float, ...], *, gate: bool = True) -> Tensor:
        """Squash z (R, B, len(scales) U), each U columns with their own function, in one pass."""
        scale = _columns(scales, z)
        squashed = scale * tf.tanh(scale * z) + (1 - scale)
        (self.gates if gate else self.beside).append(squashed)
        return squashed

    def keep(self, value: Tensor) -> Tensor:
        """Keep a value as it is."""
        self.beside.append(value)
        return value


class Replay:
    """The same operations in the backward pass, with the kept values and hand-derived gradients."""

    def __init__(self, kernels: list[Tensor], gates: Tensor, beside: list[Tensor]) -> None:
        self._kernels = kernels
        self._gates = gates
        self._beside = iter(beside)
        self._column = 0
        self.factors: list[Tensor] = [None] * len(kernels)
        self.gradients: list[Tensor] = [None] * len(kernels)

    def product(self, block: int, v: Tensor) -> Tensor:
        """Only the product's gradient matters: it goes back through the kernel and is noted for the kernel's own."""
        kernel = self._kernels[block]

        @tf.custom_gradient
        def product(v: Tensor) -> tuple[Tensor, Any]:
            def back(upstream: Tensor) -> Tensor:
                self.factors[block], self.gradients[block] = v, upstream
                return tf.matmul(upstream, kernel, transpose_b=True)

            return tf.zeros([*v.shape[:-1], kernel.shape[-1]], v.dtype), back

        self.factors[block] = v
        return product(v)

    def squash(self, z: Tensor, scales: tuple[float, ...], *, gate: bool = True) -> Tensor:
        """Hand out the squashed value y; dy/dz = s^2 - (y - (1 - s))^2, which needs y alone."""
        value = self._next_gates(z.shape[-1]) if gate else next(self._beside)
        scale = _columns(scales, z)

        @tf.custom_gradient
        def squash(_z: Tensor) -> tuple[Tensor, Any]:
            return value, lambda upstream: upstream * (scale * scale - (value - (1 - scale)) ** 2)

        return squash(z)

    def keep(self, value: Tensor) -> Tensor:
        """Hand out the kept value; its gradient is that of `value`."""
        kept = next(self._beside)
        return tf.custom_gradient(lambda _: (kept, lambda upstream: upstream))(value)

    def _next_gates(self, width: int) -> Tensor:
        self._column += width
        return self._gates[..., self._column - width : self._column]


def _columns(scales: tuple[float, ...], like: Tensor) -> Tensor:
    units = like.shape[-1] // len(scales)
    return tf.constant([scale for scale in scales for _ in range(units)], like.dtype)


def split_kernel(cell: Cell, kernel: Tensor) -> list[Tensor]:
    """Split a recurrent kernel (R, U, G U) into the blocks that the cell multiplies by."""
    units = kernel.shape[1]
    return tf.split(kernel, [gates * units for gates in cell.blocks], axis=-1)


def summed_products(factors: Tensor, d_products: Tensor) -> Tensor:
    """Gradient of a kernel (R, U, J) from its factors (T, R, B, U) and its products' gradients (T, R, B, J)."""
    if factors.shape[-1] > d_products.shape[-1]:
        # XLA transposes what stands first, so that the narrower does.
        return tf.einsum("trbj,trbu->ruj", d_products, factors)
    return tf.einsum("trbu,trbj->ruj", factors, d_products)


def scan(cell: Cell, x: Tensor, kernel: Tensor, bias: Tensor | None, state: State) -> tuple[Tensor, State]:
    """Run a cell over time.

    Parameters
    ----------
    cell
        The kind of cell.
    x
        The inputs' part of every step, bias included, shape (T, R, B, G U).
    kernel
        Recurrent kernel, shape (R, U, G U).
    bias
        Recurrent bias, shape (R, G U), for a cell that has one.
    state
        State before the first step, each (R, B, U). No gradient passes into it, as none does in Keras.

    Returns
    -------
    outputs
        Output of every step, shape (T, R, B, U).
    state
        State after the last step; no gradient passes out of it either.
    """
    weights = [kernel] if bias is None else [kernel, bias]

    @tf.custom_gradient
    def run(x: Tensor, kernel: Tensor, *bias: Tensor) -> tuple[Any, Any]:
        blocks = split_kernel(cell, kernel)
        gates, after, last = _forward(cell, x, blocks, bias[0] if bias else None, state)
        outputs = after[1:, 0]

        def back(d_outputs: Tensor, *_: Tensor) -> list[Tensor]:
            d_x, factors, d_products = _backward(cell, blocks, gates, after, d_outputs)
            d_blocks = [summed_products(v, d) for v, d in zip(factors, d_products, strict=True)]
            d_bias = [tf.reduce_sum(d_products[0], axis=(0, 2))] if bias else []
            return [d_x, tf.concat(d_blocks, axis=-1), *d_bias]

        return (outputs, *last), back

    outputs, *last = run(x, *weights)
    return outputs, tuple(tf.stop_gradient(s) for s in last)


def _forward(cell: Cell, x: Tensor, blocks: list[Tensor], bias: Tensor | None, state: State) -> Any:
    """Gates of every step, (T, R, B, G U), what else is kept, and the last state.

    That is states and values beside the gates, one after the other, (T + 1, states + beside, R, B, U): those after
    every step, and before all of them the state before the first.
    """
    steps = x.shape[0]

    def body(t: Tensor, state: State, gates: Any, after: Any) -> Any:
        ops = Forward(blocks, bias)
        state = cell.step(gates.read(t), state, ops)
        kept = tf.stack([*state, *ops.beside])
        return t + 1, state, gates.write(t, tf.concat(ops.gates, axis=-1)), after.write(t + 1, kept)

    # The gates of a step take its inputs' place, so that there is one large array less to fill and to hold in a cache.
    gates = _array(steps, x[0]).unstack(x)
    first = tf.stack([*state, *[tf.zeros_like(state[0])] * cell.beside])
    after = _array(steps + 1, first).write(0, first)
    _, last, gates, after = _loop(steps, body, (tf.constant(0), state, gates, after))
    return gates.stack(), after.stack(), last


def _backward(cell: Cell, blocks: list[Tensor], gates: Tensor, after: Tensor, d_outputs: Tensor) -> Any:
    """Gradients of the inputs' part and of every recurrent product, and the products' other factors, each (T, ...)."""
    steps, *_, width = d_outputs.shape
    # A product of the state itself needs no second copy of the state, and where the input's part is merely added to
    # the product, their gradients are one and the same: such a cell has one block as wide as its gates.
    plain = cell.blocks == (cell.gates,)
    shared = plain and not cell.recurrent_bias

    def body(k: Tensor, d_state: State, d_x: Any, factors: Any, d_products: Any) -> Any:
        t = steps - 1 - k
        state = tf.unstack(after[t])[: cell.states]
        beside = tf.unstack(after[t + 1])[cell.states :]
        x_t = tf.zeros_like(gates[t])
        replay = Replay(blocks, gates[t], beside)
        with tf.GradientTape() as tape:
            tape.watch([x_t, *state])
            state_after = cell.step(x_t, tuple(state), replay)
        d_after = (d_state[0] + d_outputs[t], *d_state[1:])
        d_x_t, *d_before = tape.gradient(state_after, [x_t, *state], d_after)
        return (
            k + 1,
            tuple(d_before),
            _write(d_x, t, [d_x_t]),
            _write(factors, t, [] if plain else replay.factors),
            _write(d_products, t, [] if shared else replay.gradients),
        )

    like = d_outputs[0]
    zeros = (tf.zeros_like(like),) * cell.states
    block_widths = [width * gates for gates in cell.blocks]
    arrays = (
        [_array(steps, gates[0])],
        [] if plain else [_array(steps, like) for _ in blocks],
        [] if shared else [_array(steps, like, columns) for columns in block_widths],
    )
    _, _, d_x, factors, d_products = _loop(steps, body, (tf.constant(0), zeros, *arrays))
    (d_x,) = _stack(d_x)
    return d_x, [after[:-1, 0]] if plain else _stack(factors), [d_x] if shared else _stack(d_products)


def _loop(steps: int, body: Any, variables: Any) -> Any:
    return tf.while_loop(lambda t, *_: t < steps, body, variables, maximum_iterations=steps)


def _array(steps: int, like: Tensor, columns: int | None = None) -> Any:
    """An array of `steps` tensors of the shape of one, or with another number of columns."""
    shape = like.shape if columns is None else (*like.shape[:-1], columns)
    return tf.TensorArray(like.dtype, steps, element_shape=shape)


def _write(arrays: list[Any], t: Tensor, values: Any) -> list[Any]:
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]


def _stack(arrays: list[Any]) -> list[Tensor]:
    return [array.stack() for array in arrays]
