"""Where the steps of a journey stand on the canvas, and the lines between them. Pure.

The canvas is a grid of half columns: a node is two wide, a branch stands over the middle of its
arms. Sizes are those of `_journeys.scss`, in px, since SVG paths know no rem.
"""

from dataclasses import dataclass
from typing import Any

from crm.journeys.editing import START
from crm.journeys.graph import Graph, slots

HALF, HEIGHT, PITCH = 104, 68, 112
BEND = 14  # px below a node where its lines part
CORNER = 6
ARMS = {"yes": "是", "no": "否", "next": "发生了", "timeout": "没等到"}


@dataclass(frozen=True)
class Cell:
    """`key` is empty where a line ends; `under` and `slot` are where a step is added above it."""

    key: str
    under: str
    slot: str
    column: int
    row: int
    depth: int
    arm: str


@dataclass(frozen=True)
class Line:
    path: str
    main: bool
    label: str = ""
    middle: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Canvas:
    cells: list[Cell]
    lines: list[Line]
    width: int
    height: int


def lay_out(graph: Graph) -> Canvas:
    """Cells in the order a phone lists them: a step, then what hangs below it."""
    cells: list[Cell] = []
    lines: list[Line] = []
    centre = _centre(graph, graph.get("first"), 0)
    cells.append(Cell(START, "", "", centre, 1, 0, ""))
    _place(graph, START, "first", graph.get("first"), (0, centre, 1, 0, ""), True, cells, lines)
    width = _width(graph, graph.get("first")) * HALF
    height = (max(cell.row for cell in cells) - 1) * PITCH + HEIGHT
    return Canvas(cells, lines, width, height)


def _place(
    graph: Graph,
    under: str,
    slot: str,
    key: str | None,
    where: tuple[int, int, int, int, str],
    main: bool,
    cells: list[Cell],
    lines: list[Line],
) -> None:
    """Put what hangs in a slot below its parent: `where` is (left, parent's column, row, …)."""
    left, above, row, depth, arm = where
    column = _centre(graph, key, left)
    lines.append(_line(above, row, column, main, arm))
    cells.append(Cell(key or "", under, slot, column, row + 1, depth, arm))
    node = graph["nodes"].get(key) if key else None
    if node is None or key is None:
        return
    names = slots(node)
    for index, name in enumerate(names):
        child, branches = node.get(name), len(names) > 1
        label = ARMS[name] if branches else ""
        deeper = depth + 1 if branches else depth
        place = (left, column, row + 1, deeper, label)
        _place(graph, key, name, child, place, main and index == 0, cells, lines)
        left += _width(graph, child)


def _width(graph: Graph, key: str | None) -> int:
    """In half columns."""
    node = graph["nodes"].get(key) if key else None
    return 2 if node is None else sum(_width(graph, node.get(name)) for name in slots(node))


def _centre(graph: Graph, key: str | None, left: int) -> int:
    """The half-column line that a node stands over, with `left` free on its left."""
    node = graph["nodes"].get(key) if key else None
    if node is None:
        return left + 1
    first, *others = slots(node)
    begin = _centre(graph, node.get(first), left)
    if not others:
        return begin
    second = _centre(graph, node.get(others[0]), left + _width(graph, node.get(first)))
    return (begin + second) // 2


def _line(above: int, row: int, column: int, main: bool, label: str) -> Line:
    x, to = above * HALF, column * HALF
    top, bottom = (row - 1) * PITCH + HEIGHT, row * PITCH
    if x == to:
        return Line(f"M{x} {top}V{bottom}", main, label, (x, top + BEND))
    turn = CORNER if to > x else -CORNER
    bend = top + BEND
    path = (
        f"M{x} {top}V{bend - CORNER}q0 {CORNER} {turn} {CORNER}"
        f"H{to - turn}q{turn} 0 {turn} {CORNER}V{bottom}"
    )
    return Line(path, main, label, ((x + to) // 2, bend))


def as_dict(cell: Cell) -> dict[str, Any]:
    return {
        "key": cell.key,
        "under": cell.under,
        "slot": cell.slot,
        "column": cell.column,
        "row": cell.row,
        "depth": min(cell.depth, 4),
        "arm": cell.arm,
    }
