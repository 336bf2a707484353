"""Neural processing units: the ways there from a TFLite file, by Arm's own tools (the ``npu`` extra).

``tosa.py``: to TOSA, the operators that such units have in common, and Arm's reference model of these; ``ethos_u.py``: to
Ethos-U by Vela; ``fixed_shapes.py``: sizes that the file leaves open; ``tools.py``: where the tools are, and asking them.
"""
