"""exprc compiles a text file of sizes, inputs, parameters and losses to a native library with exact derivatives.

The map of the house; a room imports only from rooms above it, and tests/test_house.py holds every import against it:

    source, spelling              text and spans; which name was meant
    diagnostics, errors           what a message is, the catalog of codes
    disk                          files that are written whole or not at all
    ir                            types, sizes, hash-consed nodes, the record of an operation; no operation by name
    scalar                        scalar programs: how an operation computes one entry, for any target
    ops                           the operations, one entry each; no target
    syntax                        text to AST and back; knows no graph
    rewrite                       rules that simplify and stabilise a graph
    autodiff                      derivatives of graphs, forward and reverse, from the rules of the operations
    check                         names, types, shapes: AST to graph
    printing                      graph to text that a person reads
    pictures                      diagrams to SVG and DOT; knows neither graph nor kernels
    schedule                      how each axis is used; graph to kernels and launch plan; knows no LLVM
    lower                         kernels to LLVM IR; knows no syntax
    package                       object code to library, header, manifest and Python module
    driver                        the pipeline as a tuple of named stages
    cli                           arguments in, exit code out; alone in printing and in leaving the process

Passes look at the kind of an operation and never at its name.  Nothing recurses on what a user can make long.
"""

__version__ = "0.1.0"
