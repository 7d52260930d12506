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


def run(members, at_once=1):
    log, made, ended = [], [], []

    def start(name):
        needs, most = members[name]
        # Whoever begins has the machine to itself: nobody does before all have prepared, so many at once.
        left = [one for one in made if one.name not in ended]
        assert not any(one.begun for one in left)
        assert sum(one.told is None for one in left) < at_once
        made.append(Pretended(name, needs, most, log))
        return made[-1]

    turns = Group(range(len(members)), start, at_once)
    for _ in range(10_000):
        if turns.over:
            return [one for one in log if one[1] != "begun"], ended
        if (record := turns.step()) is not None:
            ended.append(record["key"])
    raise AssertionError("it never ends")


needs = st.lists(st.integers(0, 6) | st.just(CRASH), max_size=3)
members = st.lists(st.tuples(needs, st.integers(2, 9)), min_size=1, max_size=5)


@given(members, st.integers(1, 4))
def test_every_case_ends_once_whatever_the_others_do(members, at_once):
    _, ended = run(members, at_once)
    assert sorted(ended) == list(range(len(members)))


@given(st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=2), min_size=1, max_size=5), st.integers(1, 4))
def test_blocks_come_in_rounds_and_all_make_as_many_as_one_of_them_needs(needs, at_once):
    log, _ = run([(one, 99) for one in needs], at_once)
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


def test_all_have_prepared_before_the_first_computes_and_they_compute_in_order():
    made = []

    def start(name):
        made.append(Pretended(name, [1], 9, log))
        return made[-1]

    log = []
    turns = Group(range(4), start, at_once=2)
    while not log:
        turns.step()
    assert [one.told for one in made[1:]] == [Signal.READY] * 3
    while not turns.over:
        turns.step()
    assert [name for name, what, _ in log if what == "begun"] == [0, 1, 2, 3]


def test_stopping_ends_all_that_were_started():
    log = []
    turns = Group(range(4), lambda name: Pretended(name, [5], 9, log), at_once=2)
    turns.step()
    turns.stop()
    assert turns.over
    assert {name for name, what, _ in log if what == "killed"} == {0, 1}


def test_what_dies_while_it_prepares_has_its_record_at_once():
    made = []

    class Dies(Pretended):
        def poll(self):
            return {"key": self.name} if self.name == 1 else super().poll()

    def start(name):
        made.append(Dies(name, [1], 9, []))
        return made[-1]

    turns = Group(range(2), start, at_once=2)
    assert turns.step() == {"key": 1}
    assert not turns.over
    while not turns.over:
        ended = turns.step()
    assert ended == {"key": 0}
