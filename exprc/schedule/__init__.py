"""The schedule: from the graph to kernels.

Owns how each value uses each axis, phases and the barriers between them, blocks and chunks, nests, buffers, and the
order of sums; and for the plans that it makes a text form that reads back, a verifier and an interpreter.  Works on
kinds and index maps; must not know operations by name, LLVM, targets, threads or syntax.
"""
