"""Web text streamed from the Hugging Face hub, or from a local folder of the same form."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chinchilla_lib.corpus.documents import Document
from chinchilla_lib.downloads import data_folder
from chinchilla_lib.errors import InputError, MissingExtraError

__all__ = ["C4", "FINEWEB_EDU", "HubText"]


@dataclass(frozen=True)
class HubText:
    """A data set of the hub with one text in each row.

    Attributes
    ----------
    name, title : str
    repository : str
        Its name on the hub.
    files : str
        The files to stream, as a pattern below the repository.
    """

    name: str
    title: str
    repository: str
    files: str

    def version(self) -> str:
        """What is streamed."""
        return f"{self.repository}, {self.files}"

    def documents(self) -> Iterator[Document]:
        """Stream the rows in their order.

        The folder of that name in :func:`chinchilla_lib.downloads.data_folder` is read where it
        exists, the hub elsewhere.

        Raises
        ------
        MissingExtraError
            If ``datasets`` is not installed.
        InputError
            If the hub cannot be reached or its files have another form.
        """
        try:
            import datasets
        except ImportError as error:
            raise MissingExtraError("datasets", "corpora") from error
        local = data_folder(self.name)
        place = str(local) if local.is_dir() else self.repository
        try:
            rows = datasets.load_dataset(
                place, data_files={"train": self.files}, split="train", streaming=True
            )
            for i, row in enumerate(rows):
                yield Document(f"{self.name}/{i}", row["text"])
        except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(
                f"{self.name} cannot be read from {place} ({reason}); it needs the network, or files "
                f"{self.files} in {local}"
            ) from error


C4: Final = HubText(
    name="c4",
    title="C4, English: cleaned web pages of April 2019, streamed from the Hugging Face hub",
    repository="allenai/c4",
    files="en/c4-train.*.json.gz",
)
FINEWEB_EDU: Final = HubText(
    name="fineweb-edu",
    title="FineWeb-Edu, sample of 10B tokens: educational web pages, streamed from the Hugging Face hub",
    repository="HuggingFaceFW/fineweb-edu",
    files="sample/10BT/*.parquet",
)
