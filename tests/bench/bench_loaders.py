"Films for training: `dataloaders` beside fastai's own."

from functools import partial

from measuring import OURS, Places, beside, in_turn, measurement

FASTAI = "fastai"
SIZE = 160  # px
BATCH = 8  # films


def ours(places: Places):
    "Batches of this library."
    from rsna_cls import dataloaders

    return dataloaders(places.course, size=SIZE, bs=BATCH)


def fastai(places: Places):
    "Batches of fastai, of the same films at the same size."
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        ResizeMethod,
        imagenet_stats,
    )

    return ImageDataLoaders.from_folder(
        places.course,
        train="train",
        valid="val",
        item_tfms=Resize(SIZE, ResizeMethod.Squish),
        batch_tfms=Normalize.from_stats(*imagenet_stats),
        bs=BATCH,
        num_workers=0,
    )


def show_all(dls) -> None:
    "One epoch: every training and validation film once."
    for loader in (dls.train, dls.valid):
        for _ in loader:
            pass


def first_epoch(make, places: Places) -> None:
    show_all(make(places))


@measurement(
    title="Films for the first epoch",
    about="From the folder to the end of the first epoch of training, without the network: 75 "
    "films are found, read, squeezed to 160 pixels and put into batches of 8.",
    unit="CPU s",
    pairs=beside(FASTAI),
)
def films_of_first_epoch(places: Places) -> dict[str, dict]:
    candidates = {
        OURS: lambda: partial(first_epoch, ours, places),
        FASTAI: lambda: partial(first_epoch, fastai, places),
    }
    return in_turn(candidates, rounds=9)


@measurement(
    title="Films for each further epoch",
    about="The same films once more. This library keeps them squeezed in memory; fastai reads the "
    "files again.",
    unit="CPU s",
    pairs=beside(FASTAI),
)
def films_of_second_epoch(places: Places) -> dict[str, dict]:
    candidates = {
        OURS: lambda: partial(show_all, ours(places)),
        FASTAI: lambda: partial(show_all, fastai(places)),
    }
    return in_turn(candidates, rounds=9)
