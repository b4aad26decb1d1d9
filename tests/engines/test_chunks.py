import pytest

from gifdesc.engines.chunks import Chunk, split_into_chunks

SETTINGS = {"model": "m"}


def rows_of(*numbers):
    return [{"name": f"{n}.gif", "path": f"/gifs/{n}.gif", "error": None} for n in numbers]


def split(rows, size=8, settings=SETTINGS):
    return list(split_into_chunks(rows, size, settings))


def test_chunks_have_every_row_once_and_in_order():
    rows = rows_of(*range(500))
    chunks = split(rows)
    assert [row for chunk in chunks for row in chunk.rows] == rows
    lengths = [len(chunk.rows) for chunk in chunks]
    assert max(lengths) <= 16
    assert 4 <= sum(lengths) / len(lengths) <= 12
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_a_size_of_1_gives_a_chunk_per_row():
    assert [len(chunk.rows) for chunk in split(rows_of(1, 2, 3), 1)] == [1, 1, 1]


def test_no_rows_give_no_chunk():
    assert split([]) == []


def test_an_id_depends_on_the_rows_and_the_settings_alone():
    rows = rows_of(*range(100))
    assert split(rows) == split(rows)
    others = split(rows, settings={"model": "n"})
    assert {chunk.id for chunk in others}.isdisjoint(chunk.id for chunk in split(rows))


@pytest.mark.parametrize("num_gone", [1, 5, 37, 50])
def test_a_list_without_its_first_rows_keeps_the_later_chunks(num_gone):
    rows = rows_of(*range(400))
    before = [chunk.id for chunk in split(rows)]
    after = [chunk.id for chunk in split(rows[num_gone:])]
    num_same = len(set(before) & set(after))
    assert num_same >= len(after) - 3


def test_a_new_row_changes_only_chunks_near_it():
    rows = rows_of(*range(400))
    before = {chunk.id for chunk in split(rows)}
    after = {chunk.id for chunk in split([*rows[:200], *rows_of("new"), *rows[200:]])}
    assert len(after - before) <= 3


def test_a_file_that_is_replaced_changes_only_its_chunk():
    rows = [{**row, "state": "1"} for row in rows_of(*range(400))]
    before = {chunk.id for chunk in split(rows)}
    after = {chunk.id for chunk in split([*rows[:200], {**rows[200], "state": "2"}, *rows[201:]])}
    assert len(after - before) == len(before - after) == 1


def test_rows_are_consumed_chunk_by_chunk():
    consumed = []
    rows = (consumed.append(row) or row for row in rows_of(*range(99)))
    chunks = split_into_chunks(rows, 4, {})
    first = next(chunks)
    assert consumed == first.rows


def test_a_chunk_travels_as_text():
    rows = ({"name": "\udcff\u2028 ü\n.gif", "path": None, "error": "no"}, *rows_of(1))
    chunk = Chunk.of("id", rows)
    assert (tuple(chunk.rows), chunk.num_rows) == (rows, 2)
    chunk.text.encode()  # it can travel
