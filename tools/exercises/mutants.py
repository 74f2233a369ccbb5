"""Change a solution in every mechanical way, and see that the tests notice.

A known wrong answer is a mistake that somebody thought of; a mutant is one that nobody did. Each
fails a test, or is listed in the master as equivalent and then gives what the solution gives.
"""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from tools.exercises.checking import AnswerError, Checker, Proxy, answer_names
from tools.exercises.master import Exercise, read_master
from tools.exercises.sandbox import Limits, Sandbox, Stopped
from tools.project import Project

FATES = ("killed", "equivalent", "alive")
DRAWN_INPUTS = 1000
SECONDS = 20  # for the tests of one mutant, some of which never end

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,  # codespell:ignore notin
    ast.NotIn: ast.In,  # codespell:ignore notin
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
COMMUTATIVE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr)
PAIRS = [
    ("min", "max"),
    ("argmin", "argmax"),
    ("idxmin", "idxmax"),
    ("minimum", "maximum"),
    ("ceil", "floor"),
    ("zeros", "ones"),
    ("any", "all"),
    ("sum", "mean"),
    ("mean", "median"),
    ("std", "var"),
    ("in_features", "out_features"),
]
NAMES = dict(PAIRS) | {b: a for a, b in PAIRS if b != "mean"}
COUNTING = ("range", "arange", "linspace", "enumerate")


@dataclass(frozen=True)
class Mutant:
    """A solution with one change."""

    change: str  # "the line -> what it became"
    source: str


@dataclass(frozen=True)
class Fate:
    """What became of a mutant: one of `FATES`, and why."""

    exercise: str
    mutant: Mutant
    fate: str
    why: str = ""


def mutants(exercise: Exercise) -> list[Mutant]:
    """Make every mutant of an exercise's solution; what the student is given stays."""
    tree = ast.parse(exercise.solution)
    plain = ast.unparse(tree)
    found: dict[str, Mutant] = {}
    inside = [slot.node for slot in _slots(tree) if _to_write(exercise, slot.node)]
    texts = dict.fromkeys(node.value for node in inside if _is_text(node))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    parameters = [[each.arg for each in node.args.args] for node in functions]
    for number, slot in enumerate(_slots(tree)):
        if not _to_write(exercise, slot.node):
            continue
        others = [*_other_texts(slot.node, texts), *_other_parameters(slot.node, parameters)]
        for replacement in [*_replacements(slot.node), *others]:
            changed = copy.deepcopy(tree)
            list(_slots(changed))[number].put(replacement)
            source = ast.unparse(ast.fix_missing_locations(changed))
            if source != plain and source not in found:
                found[source] = Mutant(_change(plain, source), source)
    return list(found.values())


def fates(project: Project, slug: str, seed: int = 0) -> list[Fate]:
    """Run the tests of a master against every mutant of its solutions.

    Parameters
    ----------
    project
        Whose masters to read.
    slug
        The master's name without ending.
    seed
        Of which variant.

    Returns
    -------
    list of Fate
        One for each mutant; "alive" are those that no test notices and that are not listed as
        equivalent, or are listed and differ from the solution.
    """
    master = read_master(project.master(slug), seed)
    checker = Checker(master)
    found: list[Fate] = []
    done: list[str] = []  # what an answer finds done
    process = _process(done)
    for name, exercise in master.exercises.items():
        given = master.given_to(name)
        done += given
        process = _process(done) if process.stopped else _give(process, given)
        for mutant in mutants(exercise):
            if process.stopped:
                process = _process(done)
            found.append(Fate(name, mutant, *_fate(checker, exercise, mutant, process)))
            if process.stopped:
                process.close()
        done.append(exercise.solution)
        if not process.stopped:
            process = _give(process, [exercise.solution])
    process.close()
    return found


def _process(done: list[str]) -> Sandbox:
    # The mutants are our own, so their process is not contained.
    return _give(Sandbox(Limits(seconds=SECONDS), trusted=True), done)


def _give(process: Sandbox, sources: list[str]) -> Sandbox:
    process.restart_clock()
    process.ask("restore")
    for source in sources:
        process.ask("run", cell="given", source=source)
    process.ask("save")
    return process


def _fate(
    checker: Checker, exercise: Exercise, mutant: Mutant, process: Sandbox
) -> tuple[str, str]:
    process.restart_clock()
    process.ask("restore")
    process.ask("run", cell="mutant", source=mutant.source)
    if not all(check.passed for check in checker.check(exercise.name, process, to_the_end=False)):
        listed = mutant.change in exercise.equivalent
        return ("alive", "listed as equivalent, and a test fails") if listed else ("killed", "")
    if mutant.change not in exercise.equivalent:
        return "alive", "no test fails"
    differs = _difference(exercise, mutant, process)
    return ("alive", differs) if differs else ("equivalent", "")


def _difference(exercise: Exercise, mutant: Mutant, process: Sandbox) -> str:
    """Say on which drawn input a mutant differs from the solution; nothing if on none."""
    import numpy as np

    made: dict[str, Any] = {}
    exec(exercise.draws, made)
    for name in answer_names(exercise.solution):
        if f"draw_{name}" not in made:
            return f"there is no draw_{name}(rng)"
        for source, kept in ((exercise.solution, "_solution"), (mutant.source, "_mutant")):
            # Side by side, each under a name of its own; functions that call each other would mix.
            process.ask("run", cell="answer", source=f"{source}\n{kept} = {name}")
        solution, changed = (Proxy(process, kept, name) for kept in ("_solution", "_mutant"))
        rng = np.random.default_rng(0)
        for number in range(DRAWN_INPUTS):
            inputs = made[f"draw_{name}"](rng)
            results = []
            process.restart_clock()
            for answer in (solution, changed):
                copied = copy.deepcopy(inputs)
                process.ask("seed", seed=0)
                try:
                    results.append((answer(*copied), copied))
                except (AnswerError, Stopped) as error:
                    return str(error)
            if not _same(*results):
                return f"{name}() differs on drawn input {number}"
    return ""


def _same(a: Any, b: Any) -> bool:  # noqa: ANN401
    import numpy as np

    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "shape") or isinstance(a, float):
        return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, equal_nan=True))
    return bool(a == b)


@dataclass
class _Slot:
    """A place in a syntax tree that holds a node."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST

    def put(self, node: ast.AST | None) -> None:
        """Put another node there, or take it out of its list."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        elif node is None:
            del getattr(self.parent, self.field)[self.index]
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants_table(slug: str, found: Sequence[Fate]) -> str:
    """Write, for each exercise of a master, how many mutants there are and what became of them."""
    counts = Counter((fate.exercise, fate.fate) for fate in found)
    lines = [f"{slug:<28}{'mutants':>8}{'killed':>8}{'equivalent':>12}{'alive':>7}"]
    for name in dict.fromkeys(fate.exercise for fate in found):
        killed, equivalent, alive = (counts[name, fate] for fate in FATES)
        total = killed + equivalent + alive
        lines.append(f"  {name:<26}{total:>8}{killed:>8}{equivalent:>12}{alive:>7}")
    lines += [
        f"{fate.exercise}: {fate.mutant.change} [{fate.why}]"
        for fate in found
        if fate.fate == "alive"
    ]
    return "\n".join(lines)


def _slots(tree: ast.AST) -> Iterator[_Slot]:
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield _Slot(parent, field, None, value)
            elif isinstance(value, list):
                for index, node in enumerate(value):
                    if isinstance(node, ast.AST):
                        yield _Slot(parent, field, index, node)


def _to_write(exercise: Exercise, node: ast.AST) -> bool:
    """Whether a node stands in what the student is to write."""
    inside, first = False, getattr(node, "lineno", 0)
    if isinstance(node, ast.comprehension):  # it does not know its own line
        first = node.iter.lineno
    for number, line in enumerate(exercise.solution.splitlines(), start=1):
        if "# BEGIN SOLUTION" in line or "# END SOLUTION" in line:
            inside = "BEGIN" in line
        if inside and number == first:
            return True
    return False


def _replacements(node: ast.AST) -> Iterator[ast.AST | None]:
    """Give each node that may stand in place of another; None takes it out."""
    if isinstance(node, ast.BinOp):
        yield from _other_operator(node, "op")
        yield from (node.left, node.right)
        if not isinstance(node.op, COMMUTATIVE):
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        operator: Any = OPERATORS[type(node.ops[0])]()
        yield ast.Compare(node.left, [operator, *node.ops[1:]], node.comparators)
        yield ast.Constant(True)
        yield ast.Constant(False)
    elif isinstance(node, ast.BoolOp):
        yield from _other_operator(node, "op")
        yield from node.values
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield ast.Attribute(node.value, NAMES[node.attr], node.ctx)
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield ast.Name(NAMES[node.id], node.ctx)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.Slice):
        yield from _other_slices(node)
    elif isinstance(node, (ast.If, ast.IfExp)):
        yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)  # type: ignore[arg-type]
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield ast.comprehension(node.target, node.iter, [], node.is_async)
    elif isinstance(node, (ast.Set, ast.List)) and len(node.elts) > 1:
        for number in range(len(node.elts)):
            kept = [each for i, each in enumerate(node.elts) if i != number]
            yield ast.Set(kept) if isinstance(node, ast.Set) else ast.List(kept, node.ctx)
    elif isinstance(node, ast.DictComp):
        yield ast.DictComp(node.value, node.key, node.generators)
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        yield from (ast.Tuple(each, node.ctx) for each in _swapped(node.elts))
    elif isinstance(node, ast.AugAssign):
        yield from _other_operator(node, "op")
        yield ast.Pass()
    elif isinstance(node, ast.Expr) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    ):
        yield ast.Pass()


def _other_operator(node: Any, field: str) -> Iterator[ast.AST]:  # noqa: ANN401
    if type(getattr(node, field)) in OPERATORS:
        changed = copy.copy(node)
        setattr(changed, field, OPERATORS[type(getattr(node, field))]())
        yield changed


def _other_constants(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
        if node.value:
            yield ast.Constant(node.value / 2)


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _other_texts(node: ast.AST, texts: Iterable[Any]) -> Iterator[ast.AST]:
    """Give the other texts of a solution, such as a table's other columns."""
    if _is_text(node):
        yield from (ast.Constant(text) for text in texts if text != node.value)


def _other_parameters(node: ast.AST, parameters: list[list[str]]) -> Iterator[ast.AST]:
    """Give the other parameters of a function in the place of one."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for names in parameters:
            if node.id in names:
                yield from (ast.Name(name, node.ctx) for name in names if name != node.id)


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    for arguments in _swapped(node.args):
        yield ast.Call(node.func, arguments, node.keywords)
    for number in range(len(node.keywords)):
        kept = [each for i, each in enumerate(node.keywords) if i != number]
        yield ast.Call(node.func, node.args, kept)
    for number in range(len(node.args)):
        rest = [each for i, each in enumerate(node.args) if i != number]
        yield ast.Call(node.func, rest, node.keywords)
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name in ("sorted", "set", "abs", "reversed") and node.args:
        yield node.args[0]
    if name in COUNTING and node.args:
        for step in (1, -1):
            last = ast.BinOp(node.args[-1], ast.Add(), ast.Constant(step))
            if name == "enumerate":
                yield ast.Call(node.func, [node.args[0], ast.Constant(step)], [])
            else:
                yield ast.Call(node.func, [*node.args[:-1], last], node.keywords)


def _other_slices(node: ast.Slice) -> Iterator[ast.AST]:
    for field in ("lower", "upper"):
        bound = getattr(node, field)
        if bound is not None:
            for other in (None, *(ast.BinOp(bound, ast.Add(), ast.Constant(k)) for k in (1, -1))):
                changed = copy.copy(node)
                setattr(changed, field, other)
                yield changed
    if (node.lower is None) != (node.upper is None):
        yield ast.Slice(node.upper, node.lower, node.step)


def _swapped(nodes: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for i in range(len(nodes) - 1):
        yield [*nodes[:i], nodes[i + 1], nodes[i], *nodes[i + 2 :]]


def _change(before: str, after: str) -> str:
    changed = difflib.ndiff(before.splitlines(), after.splitlines())
    lines = [line for line in changed if line[:2] in ("- ", "+ ")]
    old = " ".join(line[2:].strip() for line in lines if line[0] == "-")
    new = " ".join(line[2:].strip() for line in lines if line[0] == "+")
    return inspect.cleandoc(f"{old} -> {new}")
