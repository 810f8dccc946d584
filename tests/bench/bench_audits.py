"Checking a data set: `audit` beside CleanVision."

from collections import Counter
from functools import partial

from measuring import OURS, Places, beside, in_turn, measurement

CLEANVISION = "CleanVision"


def ours(places: Places):
    from rsna_cls import audit

    return partial(audit, places.films)


def cleanvision(places: Places):
    from cleanvision import Imagelab

    def check():
        lab = Imagelab(data_path=str(places.films))
        lab.find_issues(n_jobs=1, verbose=False)
        return lab

    return check


def what_was_found(result) -> dict:
    "How many findings there are of each kind."
    if hasattr(result, "issue_summary"):  # CleanVision's
        table = result.issue_summary
        kinds = dict(zip(table["issue_type"], table["num_images"], strict=True))
    else:
        kinds = Counter(result["finding"])
    said = [f"{kind} {int(number)}" for kind, number in sorted(kinds.items()) if number]
    return {"found": ", ".join(said) or "nothing"}


@measurement(
    title="Checking a folder of films",
    about="What is wrong with a folder of simulated chests and abdomens: `audit` of this library, "
    "and CleanVision in one process. They do not look for the same. Both look for copies, "
    "and for films that are blank, tiny or a strip. CleanVision also looks for dark, light, "
    "blurred and huge ones; `audit` for turned, inverted and framed copies, for films black for "
    "white, for a class that can be told from the format, the size or a mark, and for a film in "
    "two parts. CleanVision counts images, `audit` findings.",
    unit="CPU s",
    pairs=beside(CLEANVISION),
)
def checking(places: Places) -> dict[str, dict]:
    candidates = {OURS: partial(ours, places), CLEANVISION: partial(cleanvision, places)}
    return in_turn(candidates, rounds=5, warm_up=False, note=what_was_found)
