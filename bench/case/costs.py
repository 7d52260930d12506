"""What training a case costs, as its record holds it: the seconds of an update, and the memory."""

from typing import Annotated

from msgspec import Meta

from bench.case.checked import Amount, Count, Definition, Duration, Error, Positive, Rate, Seconds, Share, Text, check


class Accelerator(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU while a case was timed (NVML); what it does not tell is missing.

    Attributes
    ----------
    load
        Share of the time in which it computed.
    clock_mhz
        Clock, in MHz.
    watts
        Power, in W.
    celsius
        Temperature, in °C.
    slowed_by
        Why it was slower than asked for, at any time.
    energy_joules
        Energy, in J.
    """

    load: Share | None = None
    clock_mhz: Amount | None = None
    watts: Amount | None = None
    celsius: float | None = None
    slowed_by: list[Text]
    energy_joules: Amount | None


class Frequency(Definition, frozen=True, kw_only=True):
    """Clock of the processor, in MHz.

    Attributes
    ----------
    least
        Lowest sample.
    median
        Middle one.
    most
        Highest.
    """

    least: Amount
    median: Amount
    most: Amount

    def __post_init__(self) -> None:
        check(self.least <= self.median <= self.most, "median", self.median, f"{self.least:g} to {self.most:g}")


class Watched(Definition, frozen=True, kw_only=True):
    """What the operating system told during a case's own blocks of updates, never estimated.

    Attributes
    ----------
    seconds
        Time that was watched.
    own_cores
        Cores' worth of time that this process took.
    other_load
        Share of all cores that other processes took; null where too short to say.
    steal
        Share of the time that a host took away.
    swapped_bytes
        Swapped in and out, in bytes.
    throttled
        Times that a core was slowed down for its heat.
    frequency_mhz
        Clock of the processor.
    energy_joules
        Energy of each package (RAPL), in J, whatever ran on it.
    accelerators
        One entry a GPU.
    updates
        Updates in that time, the warm-up's included.
    """

    seconds: Seconds
    own_cores: Amount | None
    other_load: Amount | None
    steal: Share
    swapped_bytes: Count
    throttled: Count | None
    frequency_mhz: Frequency | None
    energy_joules: dict[str, Amount] | None
    accelerators: list[Accelerator]
    updates: Count


class Inference(Definition, frozen=True, kw_only=True):
    """A forward pass of a batch, timed in the same process after the updates.

    Attributes
    ----------
    first_call_seconds
        Trace, compile and first execution.
    compile_seconds
        First call less one steady call.
    warm_up_blocks
        Blocks made before the samples.
    settled
        Whether the two halves of the samples agree.
    calls_per_block
        Passes in one timed block.
    seconds_per_call
        One sample a block, steady state.
    """

    first_call_seconds: Seconds
    compile_seconds: Seconds
    warm_up_blocks: Count
    settled: bool
    calls_per_block: Positive
    seconds_per_call: Annotated[list[Duration], Meta(min_length=1)]


class Whole(Definition, frozen=True, kw_only=True):
    """One training timed whole, from the first call of a fresh model to the target or the last epoch.

    Attributes
    ----------
    seconds
        Tracing and compiling included, evaluations not.
    evaluate_seconds
        Evaluations.
    updates
        Weight updates made.
    calls
        Calls of the compiled function.
    reached
        Whether the target was reached.
    error
        Error at the end; null where it is not a number.
    learning_rate
        Of Adam.
    """

    seconds: Duration
    evaluate_seconds: Seconds
    updates: Positive
    calls: Positive
    reached: bool
    error: Error | None
    learning_rate: Rate


class Timing(Definition, frozen=True, kw_only=True):
    """What an update costs: real Keras layers, one model, one compiled function for the whole epoch.

    Attributes
    ----------
    parameters
        Trainable parameters.
    outputs
        Of the dense head.
    first_call_seconds
        Trace, compile and first execution.
    compile_seconds
        First call less one steady call.
    warm_up_blocks
        Blocks made before the samples, until two halves agreed.
    settled
        Whether the two halves of the samples agree.
    updates_per_block
        Updates in one timed block.
    seconds_per_update
        One sample a block, steady state.
    overhead_seconds_per_update
        The same block through the same loop with nothing in it, the harness's own part of `seconds_per_update`; null
        for an engine that cannot idle.
    cell_steps_per_update
        Batch size x (window + burn-in) x layers.
    targets_per_update
        Batch size x targets in a window.
    features
        Inputs of the first layer; null in older records.
    kernel_seen
        The kernel that ran, read from the graph.
    evidence
        The op counts it was read from; "ops a step" and "ops an update" are how many operations stand inside and
        outside recurrent loops.
    load
        Load average per core just before.
    machine
        What the operating system told meanwhile.
    inference
        Forward passes, with ``inference = true``.
    whole
        One training timed whole, with ``whole_epochs``.
    group
        Name of the group of processes that took turns with this one: block k of one, counted from the first of the
        warm-up, stands in time beside block k of the others; null where it was alone.
    """

    parameters: Positive
    outputs: Positive = 1
    first_call_seconds: Seconds
    compile_seconds: Seconds
    warm_up_blocks: Count = 0
    settled: bool
    updates_per_block: Positive
    seconds_per_update: Annotated[list[Duration], Meta(min_length=1)]
    overhead_seconds_per_update: list[Seconds] | None = None
    cell_steps_per_update: Positive
    targets_per_update: Positive
    features: Positive | None = None
    kernel_seen: Text
    evidence: dict[str, Count]
    load: Amount
    machine: Watched | None = None
    inference: Inference | None = None
    whole: Whole | None = None
    group: Text | None = None

    def __post_init__(self) -> None:
        first = self.first_call_seconds
        check(
            self.compile_seconds <= first, "compile_seconds", self.compile_seconds, f"at most {first:g}, the first call"
        )


class Memory(Definition, frozen=True, kw_only=True):
    """What training takes in memory, in another process than the one that was timed.

    Attributes
    ----------
    allocator_peak_bytes
        Peak of the engine's allocator while training (steady state); on jax since the process began, compilation
        included. In bytes, as the next three.
    compile_peak_bytes
        Peak of the same allocator during the first call.
    resident_peak_bytes
        Peak resident memory of the process (VmHWM).
    resident_before_bytes
        Resident memory with the framework imported, before the model.
    parameters
        Trainable parameters.
    outputs
        Of the dense head.
    cell_steps_per_update
        Batch size x (window + burn-in) x layers.
    features
        Inputs of the first layer; null in older records.
    kernel_seen
        The kernel that ran, read from the graph.
    evidence
        The op counts that it was read from.
    """

    allocator_peak_bytes: Count | None
    compile_peak_bytes: Count | None
    resident_peak_bytes: Positive
    resident_before_bytes: Positive
    parameters: Positive
    outputs: Positive = 1
    cell_steps_per_update: Positive
    features: Positive | None = None
    kernel_seen: Text
    evidence: dict[str, Count]

    def __post_init__(self) -> None:
        peak, before = self.resident_peak_bytes, self.resident_before_bytes
        check(before <= peak, "resident_before_bytes", before, f"at most {peak}, the peak")
