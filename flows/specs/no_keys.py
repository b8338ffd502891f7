"""What all specs have in common: they hold no key, and what is refused of them is not repeated."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from backends.keys import check_place, check_texts


class NoKeys(BaseModel):
    """A spec without keys. places: its fields that say where something is, and so are no prose.

    own: fields that check themselves, with a way out of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    places: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[tuple[str, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _hold_no_key(cls, given: object, info: ValidationInfo) -> object:
        if info.field_name in cls.own:
            return given
        if info.field_name in cls.places:
            for place in given if isinstance(given, list) else [given]:
                check_place(str(place))
        check_texts(given)
        return given
