"""The champion: the model that boards have now, with which every new one is compared."""

from dataclasses import dataclass

from earshot_pipeline.run import RunState
from earshot_pipeline.storage import Bucket, split_uri
from earshot_pipeline.table import Table

_RELEASED = frozenset({RunState.RELEASED})


@dataclass(frozen=True)
class Champions:
    """Finds the champion.

    Attributes:
        table: the pipeline's table.
        data: the data bucket.
        keywords: the words that models must know now.
    """

    table: Table
    data: Bucket
    keywords: tuple[str, ...]

    def bundle(self) -> str:
        """The last released version's bundle, `s3://…`.

        "" when there is none to compare with: nothing was released yet, that model knows other words, or its bundle is
        no longer in the bucket.
        """
        released = self.table.versions_in(_RELEASED)
        if not released:
            return ""
        champion = self.table.run(released[-1])
        bucket, key = split_uri(champion.bundle)
        comparable = set(champion.card.get("labels", ())) == {*self.keywords, "unknown", "silence"}
        there = bucket == self.data.name and self.data.exists(key)
        return champion.bundle if comparable and there else ""
