"""What the template tells the functions, by environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from earshot_pipeline.debounce import DebounceSettings
from earshot_pipeline.gates import GateSettings
from earshot_pipeline.naming import NOISE_LABEL, SILENCE_LABEL, is_label, parse_board
from earshot_pipeline.rollout import Group, parse_groups

# The board reads 40 labels, unknown and silence among them, from a card of 1023 bytes (docs/contracts.md, section 8).
MAX_KEYWORDS = 38
MAX_KEYWORDS_CHARACTERS = 720


class BadSettingError(ValueError):
    """An environment variable is missing or wrong: the template is at fault."""


@dataclass(frozen=True)
class Environment:
    """Typed access to environment variables.

    Attributes:
        values: usually `os.environ`.
    """

    values: Mapping[str, str]

    @classmethod
    def of_process(cls) -> "Environment":
        """The process's own environment."""
        return cls(os.environ)

    def text(self, name: str) -> str:
        """A setting as text.

        Raises:
            BadSettingError: when it is missing or empty.
        """
        value = self.values.get(name, "")
        if not value:
            raise BadSettingError(f"{name}: not set; the function's Environment in template.yaml must set it")
        return value

    def integer(self, name: str) -> int:
        """A setting as a whole number.

        Raises:
            BadSettingError: when it is none.
        """
        return int(self.number(name))

    def number(self, name: str) -> float:
        """A setting as a number.

        Raises:
            BadSettingError: when it is none.
        """
        try:
            return float(self.text(name))
        except ValueError as fault:
            raise BadSettingError(f"{name}: {self.text(name)!r} is not a number") from fault

    def flag(self, name: str) -> bool:
        """A setting that is `true` or `false`.

        Raises:
            BadSettingError: when it is neither.
        """
        value = self.text(name)
        if value not in ("true", "false"):
            raise BadSettingError(f"{name}: {value!r} is neither true nor false")
        return value == "true"

    def keywords(self) -> tuple[str, ...]:
        """The words that the model must know, in the configured order.

        Raises:
            BadSettingError: when one is no label, is special, or stands twice.
        """
        words = tuple(word.strip() for word in self.text("KEYWORDS").split(","))
        if len(words) > MAX_KEYWORDS or len(",".join(words)) > MAX_KEYWORDS_CHARACTERS:
            raise BadSettingError(
                f"Keywords: {len(words)} words of {len(','.join(words))} characters; boards hold the labels of at most"
                f" {MAX_KEYWORDS} words and {MAX_KEYWORDS_CHARACTERS} characters: use fewer or shorter ones"
            )
        for word in words:
            if not is_label(word) or word in (NOISE_LABEL, SILENCE_LABEL, "unknown", "silence"):
                raise BadSettingError(
                    f"Keywords: {word!r} cannot be a keyword; use labels such as yes, separated by commas"
                )
        if len(set(words)) != len(words):
            raise BadSettingError("Keywords: a word stands twice")
        return words

    def boards(self) -> tuple[str, ...]:
        """The boards that releases are made for."""
        return tuple(parse_board(board.strip()) for board in self.text("BOARDS").split(","))

    def rollout_groups(self, text: str = "") -> tuple[Group, ...]:
        """The steps of a rollout: of these shares, or of those that the stack has for every version.

        Raises:
            BadGroupsError: the shares are none.
        """
        return parse_groups(
            text or self.text("ROLLOUT_GROUPS"),
            self.integer("ROLLOUT_SUCCESS"),
            self.number("ROLLOUT_ERRORS"),
            self.integer("ROLLOUT_MINIMUM"),
        )

    def debounce(self) -> DebounceSettings:
        """When clips become a run."""
        return DebounceSettings(
            self.number("QUIET_PERIOD_SECONDS"), self.number("MAXIMUM_WAIT_SECONDS"), self.integer("MIN_NEW_CLIPS")
        )

    def gates(self) -> GateSettings:
        """The limits that a model must keep."""
        return GateSettings(
            self.number("MIN_ACCURACY"),
            self.number("MIN_RECALL"),
            self.number("MAX_FALSE_ALARM_RATE"),
            self.number("MAX_FALSE_ALARMS_PER_HOUR"),
            self.number("MAX_INT8_DROP"),
            self.integer("MAX_MODEL_BYTES"),
            self.integer("MAX_ARENA_BYTES"),
            self.integer("MAX_INSTRUCTIONS"),
            self.number("MAX_CHAMPION_LOSS"),
        )
