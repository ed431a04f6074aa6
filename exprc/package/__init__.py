"""Object code to artefacts: shared library, C header, manifest, Python module.

Reads an `Interface` and bytes of object code; knows nothing of the graph's inside.
"""
