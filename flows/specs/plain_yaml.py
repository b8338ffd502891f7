"""YAML that users write: plain data, in which each key stands once."""

from typing import Any

import yaml


def plain_yaml(text: str) -> Any:
    """The data of a text. Raises yaml.YAMLError, also for a key that stands twice: one of its values would
    go unseen."""
    try:
        return yaml.load(text, _Loader)  # nosec B506  # made from the safe one
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deep") from error


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
