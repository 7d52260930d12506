"""An engine without a framework, with a cache of compiled code: a torn file of it fails a case, or is believed."""

from fake_engine import FakeEngine, FakeTrainer, end, error_curve

from bench import engines

engines.ENGINES["soak"] = engines.Known("soak_engine")


def code_of(units):
    """What is compiled for a network of so many units."""
    return f"code for {units} units\n".encode() * 50


class SoakEngine(FakeEngine):
    name = "soak"

    def configure(self, *, threads, device, cache, short_loops):
        super().configure(threads=threads, device=device, cache=cache, short_loops=short_loops)
        self._cache = cache

    def trainer(self, work, kernel):
        end(work.network.units)
        curve = error_curve
        if self._cache is not None:
            self._cache.mkdir(parents=True, exist_ok=True)
            file = self._cache / f"{work.network.units}.pb"
            if file.exists():
                found = file.read_bytes()
                if len(found) != len(code_of(work.network.units)):
                    raise RuntimeError("Failed to parse serialized code")
                if found != code_of(work.network.units):
                    curve = wrong_curve  # as flipped bits of machine code would
            else:
                part = file.with_suffix(".tmp")
                part.write_bytes(code_of(work.network.units))
                part.replace(file)
        made = FakeTrainer(work, curve)
        made.kernel = kernel
        return made


def wrong_curve(seed, rate, updates):
    return 2.0 * error_curve(seed, rate, updates)


ENGINE = SoakEngine()
