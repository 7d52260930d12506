"""What several files of the reports' tests need."""

import pytest
import synthetic

from reports.collect.read import read
from reports.costs import costs


@pytest.fixture
def costs_of(tmp_path):
    """What a run of these records says of costs."""

    def _costs_of(records, **about):
        return costs(read(synthetic.write(tmp_path / "run", records, **about)))

    return _costs_of
