"""Files of a model's folder that its tokenizer may read, whatever they are called.

Which files a tokenizer's class reads, only the class knows. So all count that stand beside the configuration,
but for those that no tokenizer reads: documentation, what training left behind, weights. Python code of the
model's own may read files of subfolders too.
"""

import fnmatch
from collections.abc import Iterable
from pathlib import PurePath

# Compared with names in lower case.
_DOCUMENTATION = (
    "readme*",
    "licen[cs]e*",
    "*_licen[cs]e*",
    "copying*",
    "notice*",
    "*use_policy*",
    "*use-policy*",
    "model_card*",
    "modelcard*",
    "changelog*",
    "contributing*",
    "code_of_conduct*",
    "citation*",
    "authors*",
    "requirements*.txt",
    *(f"*.{ending}" for ending in ("md", "rst", "pdf", "html", "htm", "tex", "bib", "cff", "ipynb")),
    *(f"*.{ending}" for ending in ("png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "bmp")),
    *(f"*.{ending}" for ending in ("mp3", "mp4", "wav", "flac", "ogg", "webm", "mov")),
)
_TRAINING = (
    "trainer_*",
    "training_*",
    "train_*",
    "all_results.json",
    "*_results.json",
    "optimizer*",
    "scheduler*",
    "scaler*",
    "rng_state*",
    "random_states*",
    "events.out.tfevents*",
    "latest",
    "*.log",
    "*.lock",
    "*.tmp",
    "*.incomplete",
)
# Among them those of other frameworks, which are not loaded.
_WEIGHTS = tuple(
    f"*.{ending}"
    for ending in (
        *("safetensors", "bin", "index.json", "pt", "pth", "ckpt", "distcp", "h5", "msgpack", "ot"),
        *("onnx", "onnx_data", "gguf", "ggml", "tflite", "mlmodel", "mlpackage", "npz", "engine"),
    )
)
# Of images and sounds.
_PROCESSORS = ("*processor_config.json",)
_NO_TOKENIZERS = (*_DOCUMENTATION, *_TRAINING, *_WEIGHTS, *_PROCESSORS)
_FOLDERS_OF_OTHERS = (
    *("checkpoint*", "global_step*", "runs", "logs", "log", "wandb", "tensorboard", "__pycache__"),
    *("onnx", "openvino", "coreml", "tflite", "original", "docs"),
)


def other_files(names: Iterable[str], *, with_code: bool) -> list[str]:
    """Of names, relative to the model's folder, those of files that a tokenizer may read.

    with_code: whether Python code of the model's own may run.
    """
    return [name for name in names if _may_be_read(PurePath(name), with_code=with_code)]


def _may_be_read(path: PurePath, *, with_code: bool) -> bool:
    *folders, name = (part.lower() for part in path.parts)
    if any(part.startswith(".") for part in (*folders, name)):
        return False
    if (folders and not with_code) or any(_matches(folder, _FOLDERS_OF_OTHERS) for folder in folders):
        return False
    if name.endswith((".py", ".pyc")):
        return with_code and name.endswith(".py")
    return not _matches(name, _NO_TOKENIZERS)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
