"""Streams at work save together."""

import asyncio

import pytest

from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.round import Round


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([0.01, 0.02, 0.03], {0.03}),
        ([0.01, 0.2, 0.4], {0.26, 0.4}),
        ([0.0], {0.0}),
    ],
    ids=["all", "a slow one", "a lone one"],
)
def test_those_at_work_wait_for_each_other_but_not_long(before: list[float], expected: set[float]) -> None:
    together, ended = Round(), set()

    async def work(seconds: float) -> None:
        with together.at_work():
            await asyncio.sleep(seconds)
            await together.together()
            ended.add(round(asyncio.get_running_loop().time() - began, 6))
            await asyncio.sleep(1)

    async def main() -> None:
        nonlocal began
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*map(work, before))

    began = 0.0
    run_virtual(main())
    assert ended == expected


def test_the_first_of_those_that_wake_at_once_waits_for_those_that_have_not_begun() -> None:
    async def main() -> None:
        together, ended = Round(), list[str]()

        async def work(name: str, seconds: float | None) -> None:
            with together.at_work():
                if seconds is not None:
                    await asyncio.sleep(seconds)
                    ended.append(name)
                await together.together()
                ended.append(name)

        await asyncio.gather(work("a", None), work("b", 0.1))
        assert (ended[0], sorted(ended)) == ("b", ["a", "b", "b"])

    run_virtual(main())


def test_one_that_ends_elsewhere_or_is_cancelled_holds_up_no_other() -> None:
    async def main() -> None:
        together, order = Round(), list[str]()

        async def waits(name: str) -> None:
            with together.at_work():
                await together.together()
                order.append(name)

        async def fails() -> None:
            with together.at_work():
                await asyncio.sleep(0.1)
                raise ValueError

        loop = asyncio.get_running_loop()
        began = loop.time()
        third, first, second = (asyncio.ensure_future(each) for each in (fails(), waits("a"), waits("b")))
        await asyncio.sleep(0.05)  # it waits for the others
        first.cancel()
        await asyncio.wait([first, second, third])
        assert (order, first.cancelled(), isinstance(third.exception(), ValueError)) == (["b"], True, True)
        assert loop.time() - began == pytest.approx(0.1)
        await waits("c")
        assert loop.time() - began == pytest.approx(0.1)

    run_virtual(main())
