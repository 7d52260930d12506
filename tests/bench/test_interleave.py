"""Taking turns: who computes when, with processes that only pretend."""

from hypothesis import given
from hypothesis import strategies as st

from bench.measure.interleave import Group, Signal

CRASH = -1


class Pretended:
    """Makes blocks in several samplings, each until it has enough, as `bench.measure.timing.sample` does.

    Parameters
    ----------
    needs
        Blocks that it needs in each sampling; CRASH ends it there.
    most
        Blocks after which it leaves a sampling, whatever the others need.
    log
        Who made which block of which sampling, in order.
    """

    def __init__(self, name, needs, most, log):
        self.name, self.needs, self.most, self.log = name, needs, most, log
        self.told, self.begun = None, False
        self._does = self._live()

    def _live(self):
        yield Signal.READY
        self.begun = True
        self.log.append((self.name, "begun", 0))
        for sampling, needed in enumerate(self.needs):
            made = 0
            while True:
                again = yield Signal.ENOUGH if made >= needed else Signal.MORE
                if needed == CRASH:
                    return
                if not again:
                    break
                self.log.append((self.name, sampling, made))
                made += 1
                if made >= self.most:
                    self.told = Signal.LEFT
                    yield None
                    break

    def wait(self, seconds):
        del seconds

    def poll(self):
        if self.told is not None:
            return None
        try:
            said = self._does.send(self._granted) if hasattr(self, "_granted") else next(self._does)
        except StopIteration:
            return {"key": self.name}
        if said is not None:
            self.told = said
        return None

    def grant(self, *, again):
        assert self.told in (Signal.READY, Signal.MORE, Signal.ENOUGH)
        self.told, self._granted = None, again

    def kill(self):
        self.log.append((self.name, "killed", 0))


def run(members, ahead=0):
    log, made, ended = [], [], []

    def start(name):
        needs, most = members[name]
        # Whoever begins has the machine to itself: all who have begun wait for their turn, and few import beside it.
        left = [one for one in made if one.name not in ended]
        assert all(one.told is not None for one in left if one.begun)
        assert sum(not one.begun for one in left) <= ahead
        made.append(Pretended(name, needs, most, log))
        return made[-1]

    turns = Group(range(len(members)), start, ahead)
    for _ in range(10_000):
        if turns.over:
            return [one for one in log if one[1] != "begun"], ended
        if (record := turns.step()) is not None:
            ended.append(record["key"])
    raise AssertionError("it never ends")


needs = st.lists(st.integers(0, 6) | st.just(CRASH), max_size=3)
members = st.lists(st.tuples(needs, st.integers(2, 9)), min_size=1, max_size=5)


@given(members, st.integers(0, 3))
def test_every_case_ends_once_whatever_the_others_do(members, ahead):
    _, ended = run(members, ahead)
    assert sorted(ended) == list(range(len(members)))


@given(st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=2), min_size=1, max_size=5), st.integers(0, 3))
def test_blocks_come_in_rounds_and_all_make_as_many_as_one_of_them_needs(needs, ahead):
    log, _ = run([(one, 99) for one in needs], ahead)
    rounds = [max(one[sampling] for one in needs) for sampling in range(2)]
    assert log == [
        (name, sampling, block)
        for sampling in range(2)
        for block in range(rounds[sampling])
        for name in range(len(needs))
    ]


def test_who_leaves_makes_no_more_blocks_and_the_others_go_on_without_it():
    log, _ = run([([2], 99), ([5], 3), ([6], 99)])
    blocks = [[block for name, _, block in log if name == which] for which in range(3)]
    assert blocks == [list(range(6)), list(range(3)), list(range(6))]


def test_what_fails_early_holds_up_nobody():
    log, ended = run([([CRASH], 9), ([3], 9), ([1, 1], 9)])
    assert ended[0] == 0
    assert [name for name, sampling, _ in log if sampling == 0] == [1, 2] * 3


def test_stopping_ends_all_that_were_started():
    log = []
    turns = Group(range(4), lambda name: Pretended(name, [5], 9, log), ahead=1)
    while (2, "begun", 0) not in log:
        turns.step()
    # The last one has only imported what it needs.
    assert (3, "begun", 0) not in log
    turns.stop()
    assert turns.over
    assert {name for name, what, _ in log if what == "killed"} == {0, 1, 2, 3}


def test_what_dies_while_it_imports_has_its_record_at_once():
    made = []

    class Dies(Pretended):
        def poll(self):
            return {"key": self.name} if self.name == 1 else super().poll()

    def start(name):
        made.append(Dies(name, [1], 9, []))
        return made[-1]

    turns = Group(range(2), start, ahead=1)
    assert turns.step() == {"key": 1}
    assert not turns.over
    while not turns.over:
        ended = turns.step()
    assert ended == {"key": 0}
