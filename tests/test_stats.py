"Intervals and predictive values: answers known beforehand, and what must be refused."

import numpy as np
import pytest
from scipy.stats import binom, norm

from rsna_cls import (
    auroc_interval,
    mean_interval,
    predictive_intervals,
    predictive_value,
    proportion,
    wilson,
)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_by_its_formula(level):
    "The ends are the shares from which k of n lies z standard errors away."
    z = norm.ppf((1 + level) / 2)
    n = 20
    for k in (0, 1, 7, 20):
        low, high = wilson(k, n, level)
        for end in (low, high):
            distance = abs(k / n - end)
            assert distance == pytest.approx(z * np.sqrt(end * (1 - end) / n), abs=1e-9)
        assert 0 <= low <= k / n <= high <= 1


def test_wilson_covers_about_as_often_as_it_says():
    k = np.arange(31)
    ends = np.array([wilson(count, 30) for count in k])
    shares = np.linspace(0.1, 0.9, 81)
    covered = [
        binom.pmf(k, 30, share)[(ends[:, 0] <= share) & (share <= ends[:, 1])].sum()
        for share in shares
    ]
    assert 0.94 < np.mean(covered) < 0.97


def test_nothing_of_nothing():
    assert np.isnan(wilson(0, 0)).all()
    row = proportion("specificity", 0, 0)
    assert [row["measure"], row["k"], row["n"]] == ["specificity", 0, 0]
    assert np.isnan([row["value"], row["low"], row["high"]]).all()


def test_numpy_counts_become_plain_ones():
    row = proportion("accuracy", np.int64(3), np.int64(4))
    assert type(row["k"]) is int
    assert type(row["n"]) is int
    assert row["value"] == 0.75


@pytest.mark.parametrize("area", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_an_area_lies_in_its_own_interval(area):
    for positives, negatives in ((1, 1), (5, 5), (3, 200)):
        low, high = auroc_interval(area, positives, negatives)
        assert 0 <= low <= area <= high <= 1
        assert low < high


def test_mean_interval_leaves_out_what_is_no_number():
    values = np.random.default_rng(0).normal(3, 1, 200)
    row = mean_interval([*values, np.nan, np.inf])
    assert row == mean_interval(values)
    assert row["n"] == 200
    assert row["mean"] == pytest.approx(values.mean())
    standard_error = values.std() / np.sqrt(200)
    assert row["low"] == pytest.approx(values.mean() - 1.96 * standard_error, abs=0.02)
    assert row["high"] == pytest.approx(values.mean() + 1.96 * standard_error, abs=0.02)
    assert mean_interval(values, seed=1)["low"] != row["low"]


def test_predictive_value_by_hand():
    "1,000 films, 1 % positive, sensitivity and specificity 90 %: 9 and 99, 891 and 1."
    # 9 true and 99 false positives, 891 true and 1 false negative
    assert predictive_value(0.9, 0.9, 0.01) == pytest.approx((9 / 108, 891 / 892))
    prevalence = np.array([0.01, 0.5])
    positive, negative = predictive_value([0.9, 0.8], 0.9, prevalence)
    assert positive == pytest.approx([9 / 108, 8 / 9])
    assert negative == pytest.approx([891 / 892, 9 / 11])
    assert np.isnan(predictive_value(0, 1, 0.5)[0])
    assert predictive_value(1, 1, 0)[1] == 1


def test_predictive_intervals_by_hand():
    "The likelihood ratio's ends, written out; nothing is wrong: 1 is not excluded; no films: nan."
    sensitivity = proportion("", 9, 10)
    specificity = proportion("", 8, 10)
    l1, _ = wilson(9, 10)
    _, u2 = wilson(2, 10)
    root = np.sqrt((0.9 * 0.2) ** 2 - l1 * u2 * (1.8 - l1) * (0.4 - u2))
    ratio = (0.9 * 0.2 - root) / (u2 * (0.4 - u2))
    (low, high), (low_negative, high_negative) = predictive_intervals(sensitivity, specificity, 0.5)
    assert low == pytest.approx(ratio / (1 + ratio))
    values = predictive_value(0.9, 0.8, 0.5)
    assert low < values[0] < high
    assert low_negative < values[1] < high_negative

    (low, high), _ = predictive_intervals(proportion("", 9, 10), proportion("", 10, 10), 0.01)
    assert 0 < low < 0.1
    assert high == 1
    for prevalence in (0, 1):
        (low, high), (low_negative, high_negative) = predictive_intervals(
            sensitivity, specificity, prevalence
        )
        assert (low, high) == (prevalence, prevalence)
        assert (low_negative, high_negative) == (1 - prevalence, 1 - prevalence)


@pytest.mark.parametrize("k, n", [(0, 0), (8, 10), (10, 10)])
def test_without_films_there_is_no_predictive_interval(k, n):
    "Nor where an answer is never given."
    some = proportion("", k, n)
    nothing = proportion("", 0, 0)
    for pair in ((nothing, some), (some, nothing)):
        assert np.isnan(predictive_intervals(*pair, 0.5)).all()
    never, _ = predictive_intervals(proportion("", 0, 38), proportion("", 39, 39), 0.5)
    assert np.isnan(never).all()


@pytest.mark.parametrize("prevalence", [5, -1])
def test_a_prevalence_in_per_cent_is_refused(prevalence):
    some = proportion("", 8, 10)
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictive_intervals(some, some, prevalence)


@pytest.mark.parametrize("wrong", [(90, 0.9, 0.1), (0.9, -0.1, 0.1), (0.9, 0.9, [0.1, 5])])
def test_percentages_are_refused(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictive_value(*wrong)
