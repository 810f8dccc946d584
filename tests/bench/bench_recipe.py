"Training: this course's recipe beside that of the course it succeeds."

from functools import partial
from itertools import count

from measuring import OURS, Places, beside, in_turn, measurement

WEIGHTS = "other_films"  # simulated limbs and skulls: neither chests nor abdomens
ORIGINAL = "the original course"


def ours(places: Places):
    "Lesson 01: the embedded weights, its own head, augmentation and rates."
    from rsna_cls import dataloaders, film_learner, film_tfms, fine_tune

    seeds = count()

    def train():
        seed = next(seeds)
        dls = dataloaders(places.course, film_tfms(), seed=seed)
        learn = film_learner(dls, WEIGHTS, seed=seed)
        fine_tune(learn, seed=seed)
        return learn

    return train


def original(places: Places):
    "The RSNA's course of 2020: 224 pixels, fastai's head, flips and warps, 1 + 5 epochs."
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        imagenet_stats,
        no_random,
        resnet18,
        vision_learner,
    )
    from torch import nn

    from rsna_cls import pretrained_resnet18

    seeds = count()

    def train():
        seed = next(seeds)
        with no_random(seed):
            dls = ImageDataLoaders.from_folder(
                places.course,
                train="train",
                valid="val",
                seed=seed,
                item_tfms=Resize(460),
                batch_tfms=[
                    *aug_transforms(size=224, min_scale=0.75),
                    Normalize.from_stats(*imagenet_stats),
                ],
                bs=16,
                num_workers=0,
            )
            learn = vision_learner(dls, resnet18, pretrained=False, metrics=accuracy)
            # The original began with ImageNet's body. Here both begin with the same one.
            body = nn.Sequential(*list(pretrained_resnet18(WEIGHTS).children())[:-2])
            learn.model[0].load_state_dict(body.state_dict())
            with learn.no_bar(), learn.no_logging():
                learn.fine_tune(5, base_lr=2e-3)
        return learn

    return train


def right_answers(films: list, learn) -> dict:
    "How many films a network calls by their right names."
    with learn.no_bar(), learn.no_logging():
        probabilities, _ = learn.get_preds(dl=learn.dls.test_dl(films, num_workers=0))
    said = [learn.dls.vocab[number] for number in probabilities.argmax(1).tolist()]
    right = sum(name == film.parent.name for name, film in zip(said, films, strict=True))
    return {f"right of {len(films)} unseen films": right}


@measurement(
    title="Training a first network",
    about="The whole training of lesson 01 (65 films to learn from, 10 to watch by) and that of "
    "the RSNA's course of 2020, from the folder to the finished network. Both begin with the same "
    "network, which has seen simulated limbs and skulls; each round has another seed. Beside the "
    "time: how many simulated films that neither has seen each gets right.",
    unit="CPU s",
    pairs=beside(ORIGINAL),
)
def training(places: Places) -> dict[str, dict]:
    films = sorted((places.films / "test").glob("*/*.png"))
    candidates = {
        OURS: partial(ours, places),
        ORIGINAL: partial(original, places),
    }
    return in_turn(candidates, rounds=5, warm_up=False, note=partial(right_answers, films))
