"""Scalar programs: a tiny target-free instruction set, and the vector math written in it.

`program` is the room's public surface for building, reading and running programs, `math` the functions, `accuracy`
their stated error bounds.  Knows no target: every instruction means the same on any machine with a fused multiply-add.
"""
