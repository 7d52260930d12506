"""What `make soak` tries by the thousand, a few of each, always the same."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from fuzzed_inputs import INPUTS, fuzz


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_changed_at_random_are_read_or_refused_in_a_sentence(name, tmp_path):
    assert {seed: said for seed in range(40) if (said := fuzz(name, seed, tmp_path))} == {}
