"""The graph: types with symbolic sizes, operations as records, hash-consed immutable nodes.

Names no operation and no target; what an operation does is in its entry in `exprc.ops`.
"""
