"""Peak of PyTorch's allocator on a CPU, where it keeps no account: every allocation is read from a profile.

What a library takes past PyTorch's allocator, as oneDNN its scratchpads, is not in it.
"""

from torch.profiler import ProfilerActivity, profile


class Allocations:
    """Counts from `begin` to `peak`, and goes on from there at the next `begin`."""

    def __init__(self) -> None:
        self._alive = 0
        self._profile: profile | None = None

    def begin(self) -> None:
        """Forget the peak; what is alive stays counted."""
        if self._profile is not None:
            self.peak()
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self._profile.start()

    def peak(self) -> int:
        """Most bytes alive at once since `begin`.

        Raises
        ------
        RuntimeError
            If nothing was begun.
        """
        if self._profile is None:
            raise RuntimeError("no measurement of memory has begun: call reset_memory_peak first")
        self._profile.stop()
        trace = self._profile.profiler
        assert trace is not None
        assert trace.kineto_results is not None
        events = [one for one in trace.kineto_results.events() if one.name() == "[memory]"]
        most = self._alive
        for one in sorted(events, key=lambda one: one.start_ns()):
            self._alive += one.nbytes()
            most = max(most, self._alive)
        self._profile = None
        return most
