"""Floor 3: operators, one file a family.

Each operator is a frozen dataclass: its attributes, its shape rule (``infer``), its meaning in numpy (``reference``,
bit-exact with TensorFlow Lite Micro for integers), its multiply-accumulates (``macs``) and its kernels (``calls``).
"""
