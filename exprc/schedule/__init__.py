"""The schedule: a graph to kernels and a launch plan.

Owns axis classes, phases, nests, chunks, buffers and the order of sums.  Must not know LLVM or targets.
"""
