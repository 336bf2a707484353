"""Small Keras 3 networks as users export them to TFLite: which of them load, and do they mean what TensorFlow computes?

    python benchmarks/keras_exports.py make DIR     needs TensorFlow (an environment of its own): files and its answers
    python benchmarks/keras_exports.py check DIR    needs skosh: loads every file, compares, prints a table

44 networks, each in five schemes (float, dynamic range, float16, int8, int16 activations), with the batch left open as Keras
does by default and with a batch of 1. The answers are those of TFLite's reference kernels. Floats must agree within 1e-4 of
the largest answer (dynamic range: 10 %, since TFLite rounds the activations too), integers within one step, or exactly
with TensorFlow Lite Micro's, whose meaning is ours and which differs from LiteRT's in some operators.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SCHEMES = ("float", "dynamic", "float16", "int8", "int16x8")
BATCHES = ("open", "one")
SAMPLES = 4


# ------------------------------------------------------------------------------------------------------------ networks


def networks(keras: Any) -> dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]]:
    """Name -> (input shape without batch, what is built on the input)."""
    la = keras.layers

    def chain(*layers: Any) -> Callable[[Any], Any]:
        def build(x: Any) -> Any:
            for layer in layers:
                x = layer(x)
            return x

        return build

    def residual(x: Any) -> Any:
        y = la.Conv2D(8, 3, padding="same", activation="relu")(x)
        z = la.Conv2D(8, 3, padding="same")(y)
        return la.Dense(3)(la.GlobalAveragePooling2D()(la.ReLU()(la.Add()([y, z]))))

    def squeeze_excite(x: Any) -> Any:
        y = la.Conv2D(8, 3, activation="relu")(x)
        s = la.Dense(8, activation="sigmoid")(la.Dense(2, activation="relu")(la.GlobalAveragePooling2D()(y)))
        return la.Dense(3)(la.Flatten()(la.Multiply()([y, la.Reshape((1, 1, 8))(s)])))

    def attention(x: Any) -> Any:
        y = la.MultiHeadAttention(2, 4)(x, x)
        return la.Dense(3)(la.GlobalAveragePooling1D()(la.LayerNormalization()(la.Add()([x, y]))))

    def unet(x: Any) -> Any:
        a = la.Conv2D(4, 3, padding="same", activation="relu")(x)
        b = la.Conv2D(8, 3, padding="same", activation="relu")(la.MaxPooling2D()(a))
        up = la.Conv2DTranspose(4, 2, strides=2)(b)
        return la.Conv2D(2, 1)(la.Concatenate()([a, up]))

    def two_heads(x: Any) -> Any:
        y = la.Dense(8, activation="relu")(x)
        return [la.Dense(3, activation="softmax")(y), la.Dense(1)(y)]

    def tcn(x: Any) -> Any:
        for rate in (1, 2, 4):
            x = la.Conv1D(6, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        return la.Dense(2)(la.Flatten()(x))

    image, sequence = (12, 10, 3), (14, 5)
    return {
        "wide": ((96,), chain(la.Dense(64, activation="relu"), la.Dense(48, activation="relu"), la.Dense(3))),
        "wide_conv": (
            (12, 10, 24),
            chain(la.Conv2D(32, 3), la.SeparableConv2D(48, 3), la.GlobalMaxPooling2D(), la.Dense(3)),
        ),
        "dense": ((10,), chain(la.Dense(8, activation="relu"), la.Dense(3))),
        "softmax": ((10,), chain(la.Dense(8, activation="tanh"), la.Dense(4, activation="softmax"))),
        "batchnorm": ((10,), chain(la.Dense(8), la.BatchNormalization(), la.Activation("swish"), la.Dense(2))),
        "activations": (
            (10,),
            chain(la.Dense(8, activation="elu"), la.LeakyReLU(), la.PReLU(), la.Dense(2, "sigmoid")),
        ),
        "gelu": ((10,), chain(la.Dense(8, activation="gelu"), la.Dense(8, activation="softplus"), la.Dense(2))),
        "hardswish": (
            (10,),
            chain(la.Dense(8), la.Activation("hard_swish"), la.Activation("hard_sigmoid"), la.Dense(2)),
        ),
        "selu": ((10,), chain(la.Dense(8, activation="selu"), la.Dense(8, activation="softsign"), la.Dense(2))),
        "dense_sequence": (sequence, chain(la.Dense(8, activation="relu"), la.Flatten(), la.Dense(3))),
        "time_distributed": (sequence, chain(la.TimeDistributed(la.Dense(4)), la.Flatten(), la.Dense(3))),
        "permute": (sequence, chain(la.Permute((2, 1)), la.Dense(4), la.Reshape((20,)), la.Dense(2))),
        "repeat": ((6,), chain(la.RepeatVector(4), la.Conv1D(3, 2), la.Flatten(), la.Dense(2))),
        "embedding_like": ((6,), chain(la.Reshape((3, 2)), la.UpSampling1D(2), la.Flatten(), la.Dense(2))),
        "conv": (image, chain(la.Conv2D(4, 3, activation="relu"), la.MaxPooling2D(), la.Flatten(), la.Dense(3))),
        "conv_same": (
            image,
            chain(la.Conv2D(4, 3, strides=2, padding="same"), la.ReLU(6.0), la.Flatten(), la.Dense(3)),
        ),
        "conv_dilated": (image, chain(la.Conv2D(4, 3, dilation_rate=2), la.Flatten(), la.Dense(3))),
        "conv_grouped": ((12, 10, 4), chain(la.Conv2D(8, 3, groups=2), la.Flatten(), la.Dense(3))),
        "depthwise": (
            image,
            chain(la.DepthwiseConv2D(3, depth_multiplier=2), la.Conv2D(4, 1), la.Flatten(), la.Dense(2)),
        ),
        "separable": (image, chain(la.SeparableConv2D(6, 3), la.GlobalAveragePooling2D(), la.Dense(3))),
        "transpose": ((6, 5, 3), chain(la.Conv2DTranspose(4, 3, strides=2, padding="same"), la.Conv2D(2, 3))),
        "transpose_1d": (sequence, chain(la.Conv1DTranspose(4, 3, strides=2), la.Flatten(), la.Dense(2))),
        "average_pool": (
            image,
            chain(la.AveragePooling2D((2, 3)), la.Conv2D(3, 2), la.GlobalMaxPooling2D(), la.Dense(2)),
        ),
        "upsample": ((5, 4, 3), chain(la.UpSampling2D(2), la.Conv2D(2, 3, padding="same"))),
        "upsample_bilinear": ((5, 4, 3), chain(la.UpSampling2D(2, interpolation="bilinear"), la.Conv2D(2, 3))),
        "padding": (
            (5, 4, 3),
            chain(la.ZeroPadding2D(((1, 2), (0, 1))), la.Cropping2D(((0, 1), (1, 0))), la.Conv2D(2, 3)),
        ),
        "normalized": (
            image,
            chain(la.LayerNormalization(), la.Conv2D(4, 3), la.GlobalAveragePooling2D(), la.Dense(2)),
        ),
        "group_norm": ((6, 5, 4), chain(la.GroupNormalization(2), la.Flatten(), la.Dense(2))),
        "rescaled": (image, chain(la.Rescaling(0.5, 0.1), la.Conv2D(4, 3), la.Flatten(), la.Dense(2))),
        "residual": (image, residual),
        "squeeze_excite": (image, squeeze_excite),
        "unet": ((8, 6, 3), unet),
        "conv1d": (sequence, chain(la.Conv1D(4, 3, activation="relu"), la.MaxPooling1D(), la.Flatten(), la.Dense(3))),
        "tcn": (sequence, tcn),
        "separable_1d": (sequence, chain(la.SeparableConv1D(6, 3), la.GlobalMaxPooling1D(), la.Dense(3))),
        "attention": ((6, 8), attention),
        "two_heads": ((10,), two_heads),
        "conv3d": ((5, 6, 6, 2), chain(la.Conv3D(3, 3, activation="relu"), la.Flatten(), la.Dense(2))),
        "rnn": (sequence, chain(la.SimpleRNN(4), la.Dense(2))),
        "lstm": (sequence, chain(la.LSTM(4), la.Dense(2))),
        "lstm_sequence": (sequence, chain(la.LSTM(4, return_sequences=True), la.GRU(3), la.Dense(2))),
        "gru": (sequence, chain(la.GRU(4), la.Dense(2))),
        "bidirectional": (sequence, chain(la.Bidirectional(la.LSTM(3)), la.Dense(2))),
        "conv_lstm": ((3, 5, 4, 2), chain(la.ConvLSTM2D(2, 3), la.Flatten(), la.Dense(2))),
    }


# ---------------------------------------------------------------------------------------------- files, and TensorFlow's


def make(folder: Path) -> None:
    """Every network in a process of its own: TensorFlow's converter ends the whole process on some of them."""
    import tensorflow as tf

    for name in networks(tf.keras):
        command = [sys.executable, __file__, "make", str(folder), name]
        if subprocess.run(command, check=False).returncode != 0:
            for scheme in SCHEMES:
                for batch in BATCHES:
                    if not (folder / f"{name}-{scheme}-{batch}.npz").exists():
                        subprocess.run([*command, scheme, batch], check=False)


def make_one(folder: Path, name: str, schemes: Sequence[str] = SCHEMES, batches: Sequence[str] = BATCHES) -> None:
    """Write NAME-SCHEME-BATCH.tflite and .npz (its inputs, TFLite's outputs); what TensorFlow refuses is in refused.json."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "refused.json"
    refused = json.loads(path.read_text()) if path.exists() else {}
    shape, build = networks(tf.keras)[name]
    for batch in batches:
        tf.keras.utils.set_random_seed(sum(map(ord, name)))
        x = tf.keras.Input(shape, batch_size=1 if batch == "one" else None)
        model = tf.keras.Model(x, build(x))
        disturb(model)
        rng = np.random.default_rng(5)
        samples = [rng.uniform(-1, 1, (1, *shape)).astype(np.float32) for _ in range(32)]
        for scheme in schemes:
            key = f"{name}-{scheme}-{batch}"
            try:
                data = converted(tf, model, scheme, samples)
                inputs, outputs = answers(tf, data, samples[:SAMPLES])
            except Exception as error:  # whatever TensorFlow can't do is not ours to judge
                refused[key] = str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
                print("refused by TensorFlow:", key)
                continue
            refused.pop(key, None)
            (folder / f"{key}.tflite").write_bytes(data)
            np.savez(folder / f"{key}.npz", **inputs, **outputs)
        path.write_text(json.dumps(refused, indent=1))


def disturb(model: Any) -> None:
    """Weights as after training: biases and moving means that aren't 0."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if np.asarray(weight).dtype == np.float32:
            low = 0.5 if "variance" in weight.path else -0.5
            scale = 1.0 if "variance" in weight.path else 0.0
            noise = rng.uniform(low, 0.5 + scale, weight.shape).astype(np.float32)
            weight.assign(noise if scale else np.asarray(weight) + 0.3 * noise)


def converted(tf: Any, model: Any, scheme: str, samples: list[Any]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if scheme != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme in ("int8", "int16x8"):
        converter.representative_dataset = lambda: ([s] for s in samples)
        wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide if scheme == "int16x8" else tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int16 if scheme == "int16x8" else tf.int8
    return bytes(converter.convert())


def answers(tf: Any, data: bytes, samples: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    kinds = tf.lite.experimental.OpResolverType
    try:
        interpreter = tf.lite.Interpreter(model_content=data, experimental_op_resolver_type=kinds.BUILTIN_REF)
    except ValueError:  # some operators have no reference kernel
        kind = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = tf.lite.Interpreter(model_content=data, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    (x,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
    given, got = {}, {}
    for k, sample in enumerate(samples):
        scale, zero = x["quantization"]
        value = sample if not scale else np.clip(np.round(sample / scale) + zero, -128 if x["dtype"] == np.int8 else -32768,
                                                127 if x["dtype"] == np.int8 else 32767)  # fmt: skip
        given[f"x{k}"] = value.astype(x["dtype"])
        interpreter.set_tensor(x["index"], given[f"x{k}"])
        interpreter.invoke()
        for j, y in enumerate(outputs):
            got[f"y{k}_{j}"] = interpreter.get_tensor(y["index"])
    return given, got


# ------------------------------------------------------------------------------------------------------------- and ours


def check(folder: Path) -> int:
    """Print what loads and agrees; the number of wrong files."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.tflite")):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found[path.stem] = verdict(path)
        if found[path.stem] not in ("exact", "close"):
            print(f"{path.stem}: {found[path.stem]}")
    print(f"\n{'':22}" + "".join(f"{k:>12}" for k in ("files", "load", "exact", "close", "wrong")))
    for scheme in SCHEMES:
        for batch in BATCHES:
            print(row(f"{scheme}, batch {batch}", [v for k, v in found.items() if k.endswith(f"-{scheme}-{batch}")]))
    print(row("all", list(found.values())))
    return sum(v.startswith("WRONG") for v in found.values())


def row(title: str, verdicts: list[str]) -> str:
    kinds = Counter(v.split(":")[0] for v in verdicts)
    loaded = kinds["exact"] + kinds["close"] + kinds["WRONG"]
    return f"{title:22}" + "".join(
        f"{n:>12}" for n in (len(verdicts), loaded, kinds["exact"], kinds["close"], kinds["WRONG"])
    )


def verdict(path: Path) -> str:
    """ "exact", "close", "WRONG: how far", or why it doesn't load."""
    import skosh
    from skosh.base.errors import SkoshError
    from skosh.ir.check_graph import check_graph

    try:
        graph = skosh.load(path)
        check_graph(graph)
    except SkoshError as error:
        return "refused: " + " ".join(str(error).split())[:400]
    runs = []
    with np.load(path.with_suffix(".npz")) as data:
        for k in range(SAMPLES):
            x = data[f"x{k}"]
            for j, got in enumerate(outputs_of(graph, x)):
                want = data[f"y{k}_{j}"]
                if got.shape != want.shape or got.dtype != want.dtype:
                    return f"WRONG: {got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
                runs.append((x, j, got.astype(np.float64), want.astype(np.float64)))
    worst = max(np.abs(got - want).max() for _, _, got, want in runs)
    if worst == 0:
        return "exact"
    if "int" in path.stem:
        same = all(equals_tflm(path, x, j, got) for x, j, got, _ in runs)
        return "exact" if same else "close" if worst <= 1 else f"WRONG: {worst:g} steps apart"
    share = worst / max(np.abs(want).max() for _, _, _, want in runs)
    return (
        "close" if share <= (0.1 if "-dynamic-" in path.stem else 1e-4) else f"WRONG: {share:.3g} of the largest apart"
    )


def equals_tflm(path: Path, x: Any, output: int, got: Any) -> bool:
    """Whether TensorFlow Lite Micro gives the same integers; False where it can't run the file."""
    from tflite_micro.python.tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=8 << 20)
        interpreter.set_input(x, 0)
        interpreter.invoke()
        return bool(np.array_equal(np.array(interpreter.get_output(output)).astype(np.float64), got))
    except (RuntimeError, ValueError):
        return False


def outputs_of(graph: Any, x: Any) -> Iterator[Any]:
    """A fresh run, from the states' initial values."""
    from skosh.ir.interpret_graph import run_graph

    values = run_graph(graph, [x]).values
    return (values[name] for name in graph.outputs)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    if sys.argv[1] == "make" and len(sys.argv) > 3:
        make_one(Path(sys.argv[2]), sys.argv[3], *([a] for a in sys.argv[4:6]))
    elif sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        sys.exit(1 if check(Path(sys.argv[2])) else 0)
