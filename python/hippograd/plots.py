"""Pictures of the tape.   from hippograd import plots;   plots.tape(loss, w=w, b=b)

`tape(y)` walks from y.grad_fn along next_functions and shows every op that backward will visit: as a drawing in a notebook, as
a numbered list in a terminal. Nothing is needed for it but the standard library; `.dot()` gives the same graph to Graphviz.
"""
import html
from collections import namedtuple

from . import _C

# One op or leaf: what stands in its box, and the boxes of its inputs (a number per edge, so x * x has two).
Box = namedtuple("Box", ["title", "detail", "kind", "inputs"])
_FILL = {"leaf": "#dbe9f9", "op": "#ffffff", "python": "#fde8c8", "output": "#dff2df"}
_CHARACTER, _HEIGHT, _GAP, _RANK = 7.3, 26, 22, 58     # pixels: text width, box height, space between boxes, between ranks


class Tape:
    """The graph behind some tensors: `boxes`, inputs before those that use them."""

    def __init__(self, boxes):
        self.boxes = boxes

    def __len__(self):
        return len(self.boxes)

    def __repr__(self):
        """One line per box, in an order in which they can be computed; backward goes from the last to the first."""
        lines = []
        for i, box in enumerate(self.boxes):
            sources = f"<- {', '.join(map(str, box.inputs))}" if box.inputs else ""
            lines.append(f"{i:>3}  {box.title:<22} {box.detail or sources}".rstrip())
        return "\n".join(lines)

    def dot(self):
        """The graph in Graphviz's language."""
        lines = ["digraph tape {", '  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11]']
        for i, box in enumerate(self.boxes):
            lines.append(f'  n{i} [label="{_label(box)}", fillcolor="{_FILL[box.kind]}"]')
            lines += [f"  n{j} -> n{i}" for j in box.inputs]
        return "\n".join([*lines, "}"])

    def _repr_svg_(self):
        return _draw(self.boxes)

    def save(self, path):
        """Writes the drawing as an SVG file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(_draw(self.boxes))


def tape(*outputs, **names):
    """The tape behind `outputs`. Leaves are labelled with the names under which they are given: tape(loss, w=w), or
    tape(loss, **dict(model.named_parameters()))."""
    for y in outputs:
        if not isinstance(y, _C.Tensor):
            raise TypeError(f"tape: expected tensors, got {type(y).__name__}")
        if y.grad_fn is None:
            raise ValueError("tape: the tensor has no grad_fn: it is a leaf, or was made under no_grad")
    name_of = {id(t): name for name, t in names.items()}
    last = {y.grad_fn for y in outputs}
    order = _inputs_first([y.grad_fn for y in outputs])
    number = {node: i for i, node in enumerate(order)}
    boxes = []
    for node in order:
        inputs = [number[source] for source, _ in node.next_functions if source is not None]
        variable = getattr(node, "variable", None)
        if variable is not None:
            boxes.append(Box(name_of.get(id(variable), "leaf"), str(tuple(variable.shape)), "leaf", inputs))
        else:
            kind = "output" if node in last else "op" if node.name().endswith("Backward0") else "python"
            boxes.append(Box(node.name().removesuffix("0").removesuffix("Backward"), "", kind, inputs))
    return Tape(boxes)


def _inputs_first(roots):
    """All nodes below `roots`, each after its inputs. No recursion: a tape may be long."""
    order, done, stack = [], set(), [(node, False) for node in reversed(roots)]
    while stack:
        node, inputs_done = stack.pop()
        if node in done:
            continue
        if inputs_done:
            done.add(node)
            order.append(node)
        else:
            stack.append((node, True))
            stack += [(source, False) for source, _ in reversed(node.next_functions) if source is not None and source not in done]
    return order


# ---- the drawing: boxes in ranks (Sugiyama, Tagawa, Toda 1981), leaves on top, the loss at the bottom ----

def _label(box):
    return f"{box.title} {box.detail}".strip()


def _ranks(boxes):
    """An op stands below its lowest input; a leaf right above its highest user."""
    rank = [0] * len(boxes)
    for i, box in enumerate(boxes):
        rank[i] = max((rank[j] + 1 for j in box.inputs), default=0)
    for i, box in enumerate(boxes):
        if not box.inputs:
            rank[i] = min((rank[k] - 1 for k, user in enumerate(boxes) if i in user.inputs), default=0)
    return rank


def _chains(boxes, rank):
    """Every edge as a chain of points, one per rank that it crosses. Points 0 .. n-1 are the boxes, later ones are bends."""
    ranks, chains = list(rank), []
    for i, box in enumerate(boxes):
        for j in dict.fromkeys(box.inputs):
            bends = list(range(len(ranks), len(ranks) + rank[i] - rank[j] - 1))
            ranks += range(rank[j] + 1, rank[i])
            chains.append([j, *bends, i])
    return ranks, chains


def _place(width, ranks, chains):
    """x of every point: in each rank near the mean of its neighbours, without overlaps."""
    rows = [[p for p, r in enumerate(ranks) if r == row] for row in range(max(ranks) + 1)]
    near = [[] for _ in ranks]
    for chain in chains:
        for a, b in zip(chain, chain[1:]):
            near[a].append(b)
            near[b].append(a)
    x = [0.0] * len(ranks)
    for row in rows:
        _spread(row, [0.0] * len(row), width, x)
    for sweep in range(24):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            above = [[q for q in near[p] if (ranks[q] < ranks[p]) == (sweep % 2 == 0)] or near[p] for p in row]
            wish = {p: sum(x[q] for q in qs) / len(qs) if qs else x[p] for p, qs in zip(row, above)}
            if sweep < 16:                                    # then the order is settled and only distances change
                row.sort(key=wish.get)
            _spread(row, [wish[p] for p in row], width, x)
    return x


def _spread(row, wish, width, x):
    """Puts a row as near to its wishes as the widths allow."""
    at = 0.0
    for k, p in enumerate(row):
        at = wish[k] if k == 0 else max(wish[k], at + (width[row[k - 1]] + width[p]) / 2 + _GAP)
        x[p] = at
    shift = sum(w - x[p] for w, p in zip(wish, row)) / len(row)
    for p in row:
        x[p] += shift


def _draw(boxes):
    ranks, chains = _chains(boxes, _ranks(boxes))
    width = [len(_label(b)) * _CHARACTER + 16 for b in boxes] + [4.0] * (len(ranks) - len(boxes))
    x = _place(width, ranks, chains)
    left = min(c - w / 2 for c, w in zip(x, width)) - 8
    right = max(c + w / 2 for c, w in zip(x, width)) + 8
    x, y = [c - left for c in x], [r * _RANK + _HEIGHT / 2 + 8 for r in ranks]
    w, h = right - left, max(ranks) * _RANK + _HEIGHT + 16
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {w:.0f} {h:.0f}">',
             '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
             '<path d="M0 0 L8 4 L0 8 z" fill="#666"/></marker></defs>',
             f'<rect width="{w:.0f}" height="{h:.0f}" fill="white"/>']
    parts += [_edge([(x[p], y[p]) for p in chain]) for chain in chains]
    for i, box in enumerate(boxes):
        parts.append(f'<rect x="{x[i] - width[i] / 2:.1f}" y="{y[i] - _HEIGHT / 2:.1f}" width="{width[i]:.1f}" height="{_HEIGHT}" rx="6" '
                     f'fill="{_FILL[box.kind]}" stroke="#555"/>'
                     f'<text x="{x[i]:.1f}" y="{y[i] + 4:.1f}" font-family="monospace" font-size="12" text-anchor="middle" fill="#111">'
                     f'{html.escape(_label(box))}</text>')
    return "\n".join([*parts, "</svg>"])


def _edge(points):
    """A smooth line from the lower side of the first point to the upper side of the last."""
    points = [(points[0][0], points[0][1] + _HEIGHT / 2), *points[1:-1], (points[-1][0], points[-1][1] - _HEIGHT / 2)]
    line = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in zip(points, points[1:]):
        middle = (ay + by) / 2
        line += f" C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}"
    return f'<path d="{line}" fill="none" stroke="#666" marker-end="url(#tip)"/>'
