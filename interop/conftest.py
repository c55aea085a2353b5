import itertools

import pytest

from house import House, Lan

# Two letters: those that a test file gives itself have one.
_tags = ("".join(pair) for pair in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=2))


@pytest.fixture(scope="session")
def shared():
    """One system for tests that leave it as they found it."""
    house = House()
    yield house
    house.close()


@pytest.fixture
def house():
    """A system of the test's own."""
    house = House()
    yield house
    house.close()


@pytest.fixture
def houses():
    """Makes systems with settings of the test's own."""
    made = []

    def make(*args, **options):
        house = House(*args, **options)
        made.append(house)
        return house

    yield make
    for house in made:
        house.close()


@pytest.fixture
def lan():
    """Machines on one wire, as network namespaces."""
    lan = Lan(next(_tags))
    yield lan
    lan.close()
