"""The functions of the C interface: checks on entry, workspace, and the kernels one after another."""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.sizes import Size, dim
from exprc.ir.types import BYTES
from exprc.lower.address import Place, Used
from exprc.lower.emit import Function, Module
from exprc.lower.faults import BAD_SIZE, NO_MEMORY, REQUIREMENT, UNFIT_CPU, raise_fault
from exprc.lower.kernel import Context, Needs, lower_kernel, plan_context
from exprc.lower.processor import unfit
from exprc.lower.scratch import ALIGNMENT, rounded_bytes, scratch_layout
from exprc.lower.sizes import magnitude, size_value
from exprc.lower.target import Target
from exprc.schedule.kernel import ARGUMENT, Buffer, Gather, Kernel, Loop, Nest, Plan, Scatter, statements_of

LARGEST_BYTES = "1152921504606846976.0"  # 2^60: nothing that is computed from sizes below it overflows
_COMPARE = {"==": "eq", "!=": "ne", "<=": "sle", "<": "slt", ">=": "sge", ">": "sgt"}


class KernelCall(NamedTuple):
    """A kernel's function and what it takes."""

    name: str
    needs: Needs


def lower_plan(module: Module, plan: Plan, target: Target, known: dict[int, KernelCall]) -> tuple[str, str]:
    """Emits all functions of a plan.  Returns the two that are exported."""
    context = plan_context(module, target, plan)
    for number, kernel in enumerate(plan.kernels):
        if id(kernel) not in known:
            known[id(kernel)] = KernelCall(*lower_kernel(context, number, kernel))
    calls = [known[id(kernel)] for kernel in plan.kernels]
    _define_bytes(context, plan)
    _define_run(context, plan, calls)
    _define_entry(context, plan)
    sizes = _sizes(plan)
    workspace = f"{plan.symbol}_workspace"
    function = Function(module)
    lacking = unfit(function, target)
    if lacking:
        function.leave_branch(function.open_branch(lacking), "i64", "-1")
    function.do(f"ret i64 {function.value(f'call i64 @{plan.symbol}.bytes({sizes})')}")
    function.define(f"define {module.shown}i64 @{workspace}({sizes}) #0")
    return plan.symbol, workspace


def _sizes(plan: Plan) -> str:
    return ", ".join(f"i64 %n{number}" for number in range(len(plan.dims)))


def _pointers(plan: Plan, attributes: bool) -> list[str]:
    """The C function's pointers to arguments and results, as parameters or as arguments of a call."""
    pointers = []
    for number, buffer in enumerate((*plan.arguments, *plan.results)):
        access = " noalias readonly" if buffer.space == ARGUMENT else " noalias"
        pointers.append(f"ptr{access if attributes else ''} %p{number}")
    return pointers


def _define_bytes(context: Context, plan: Plan) -> None:
    """The workspace's bytes, -1 where sizes are negative or too large."""
    function = Function(context.module)
    dims, places = Used(context.dims), Used(context.places)
    tiles = [tile for kernel in plan.kernels for tile in kernel.tiles]
    accumulators = [accumulator.buffer for kernel in plan.kernels for accumulator in kernel.accumulators]
    buffers = [*plan.arguments, *plan.results, *plan.workspace, *tiles, *accumulators]
    bad = _negative(function, dims, plan, buffers)
    bad = function.entry_value(f"or i1 {bad}, {_too_large(function, dims, plan, buffers)}")
    total = "0"
    for buffer in plan.workspace:
        total = function.entry_value(f"add i64 {total}, {rounded_bytes(function, dims, buffer)}")
    largest = "0"
    for kernel in plan.kernels:
        if _has_scratch(kernel):
            size = scratch_layout(function, dims, kernel, places).bytes
            more = function.entry_value(f"icmp sgt i64 {size}, {largest}")
            largest = function.entry_value(f"select i1 {more}, i64 {size}, i64 {largest}")
    total = function.entry_value(f"add i64 {total}, {largest}")
    some = function.entry_value(f"icmp sgt i64 {total}, 0")
    aligned = function.entry_value(f"add i64 {total}, {ALIGNMENT}")
    needed = function.entry_value(f"select i1 {some}, i64 {aligned}, i64 0")
    function.do(f"ret i64 {function.value(f'select i1 {bad}, i64 -1, i64 {needed}')}")
    function.define(f"define internal i64 @{plan.symbol}.bytes({_sizes(plan)}) #0")


def _has_scratch(kernel: Kernel) -> bool:
    return bool(kernel.tiles or kernel.accumulators)


def _negative(function: Function, dims: Used[str], plan: Plan, buffers: list[Buffer]) -> str:
    sizes = {dim(name): None for name in plan.dims}
    sizes.update((size, None) for buffer in buffers for size in buffer.shape)
    bad = "false"
    for size in sizes:
        known = size.constant
        if known is None or known < 0:
            negative = function.entry_value(f"icmp slt i64 {size_value(function, dims, size)}, 0")
            bad = function.entry_value(f"or i1 {bad}, {negative}")
    return bad


def _too_large(function: Function, dims: Used[str], plan: Plan, buffers: list[Buffer]) -> str:
    """Whether a bound of everything that is computed from the sizes is above what cannot overflow."""
    total = "0.0"
    shapes: dict[tuple[tuple[Size, ...], int], int] = {((dim(name),), 1): 1 for name in plan.dims}
    shapes.update(dict.fromkeys((((size,), 1) for size in _compared_sizes(plan)), 1))
    for buffer in buffers:
        key = (buffer.shape, BYTES[buffer.dtype])
        shapes[key] = shapes.get(key, 0) + 1
    for (shape, width), times in shapes.items():
        bound = magnitude(function, dims, shape, width * times)
        total = function.entry_value(f"fadd double {total}, {bound}")
    return function.entry_value(f"fcmp ugt double {total}, {LARGEST_BYTES}")


def _compared_sizes(plan: Plan) -> list[Size]:
    """What loops run to and requirements compare, where it is computed from dims and may overflow without a buffer."""
    sizes = [side for requirement in plan.requirements for side in (requirement.left, requirement.right)]
    for kernel in plan.kernels:
        sizes += [kernel.stream.extent] if kernel.stream else []
        for statement in statements_of(kernel.body):
            extents = [axis.extent for axis in statement.axes] if isinstance(statement, Nest) else []
            extents += [statement.extent] if isinstance(statement, Loop) else []
            sizes += [statement.length, statement.bound] if isinstance(statement, (Gather, Scatter)) else []
            for extent in extents:
                sizes += [extent.constant, *(coefficient for _, coefficient in extent.terms)]
    return [size for size in dict.fromkeys(sizes) if size.constant is None and size.symbol is None]


def _define_run(context: Context, plan: Plan, calls: list[KernelCall]) -> None:
    """The kernels in order, in a given workspace."""
    function = Function(context.module)
    dims, places = Used(context.dims), Used(context.places)
    start = function.entry_value(f"getelementptr i8, ptr %workspace, i64 {ALIGNMENT - 1}")
    context.module.declare("declare ptr @llvm.ptrmask.p0.i64(ptr, i64)")
    base = function.entry_value(f"call ptr @llvm.ptrmask.p0.i64(ptr {start}, i64 {-ALIGNMENT})")
    offset = "0"
    own = {}
    for buffer in plan.workspace:
        own[buffer.name] = Place(buffer, function.entry_value(f"getelementptr i8, ptr {base}, i64 {offset}"))
        offset = function.entry_value(f"add i64 {offset}, {rounded_bytes(function, dims, buffer)}")
    scratch = function.entry_value(f"getelementptr i8, ptr {base}, i64 {offset}")
    places = places.extended(own)
    for call in calls:
        arguments = call.needs.arguments(dims, places)
        status = function.value(f"call i32 {call.name}({arguments}ptr {scratch}, ptr %fault)")
        branch = function.open_branch(function.value(f"icmp ne i32 {status}, 0"))
        function.leave_branch(branch, "i32", status)
    function.do("ret i32 0")
    parameters = [*([_sizes(plan)] if plan.dims else []), *_pointers(plan, True), "ptr %workspace", "ptr %fault"]
    function.define(f"define internal i32 @{plan.symbol}.run({', '.join(parameters)}) #0")


def _define_entry(context: Context, plan: Plan) -> None:
    """The C function: checks, workspace, and the run."""
    function = Function(context.module)
    dims = Used(context.dims)
    lacking = unfit(function, context.target)
    if lacking:
        _leave_if(function, lacking, UNFIT_CPU, 0, "0", "0", "")
    for name in plan.dims:
        negative = function.value(f"icmp slt i64 {dims[name]}, 0")
        _leave_if(function, negative, BAD_SIZE, 0, dims[name], "0", name)
    for requirement in plan.requirements:
        left, right = (size_value(function, dims, size) for size in (requirement.left, requirement.right))
        holds = function.value(f"icmp {_COMPARE[requirement.relation]} i64 {left}, {right}")
        broken = function.value(f"xor i1 {holds}, true")
        _leave_if(function, broken, REQUIREMENT, requirement.line, left, right, requirement.text)
    sizes = _sizes(plan)
    needed = function.value(f"call i64 @{plan.symbol}.bytes({sizes})")
    _leave_if(function, function.value(f"icmp slt i64 {needed}, 0"), BAD_SIZE, 0, "0", "0", "")
    head = [*([sizes] if plan.dims else []), *_pointers(plan, False)]
    workspace = "%workspace"
    owned = "false"
    if plan.workspace or any(_has_scratch(kernel) for kernel in plan.kernels):
        workspace, owned = _allocate(function, needed)
    call = ", ".join([*head, f"ptr {workspace}", "ptr %fault"])
    status = function.value(f"call i32 @{plan.symbol}.run({call})")
    if owned != "false":
        context.module.declare("declare void @free(ptr)")
        branch = function.open_branch(owned)
        function.do(f"call void @free(ptr {workspace})")
        function.close_branch(branch)
    function.do(f"ret i32 {status}")
    parameters = [*([sizes] if plan.dims else []), *_pointers(plan, True), "ptr %workspace", "ptr %fault"]
    function.define(f"define {context.module.shown}i32 @{plan.symbol}({', '.join(parameters)}) #0")


def _allocate(function: Function, needed: str) -> tuple[str, str]:
    """The given workspace or one of our own; and whether it is our own."""
    function.module.declare("declare noalias ptr @malloc(i64)")
    missing = function.value("icmp eq ptr %workspace, null")
    some = function.value(f"icmp sgt i64 {needed}, 0")
    owned = function.value(f"and i1 {missing}, {some}")
    branch = function.open_branch(owned)
    memory = function.value(f"call ptr @malloc(i64 {needed})")
    _leave_if(function, function.value(f"icmp eq ptr {memory}, null"), NO_MEMORY, 0, needed, "0", "")
    (workspace,) = function.close_branch(branch, [("ptr", memory, "%workspace")])
    return workspace, owned


def _leave_if(function: Function, condition: str, code: int, line: int, index: str, bound: str, name: str) -> None:
    branch = function.open_branch(condition)
    function.leave_branch(branch, "i32", raise_fault(function, code, line, index, bound, name))
