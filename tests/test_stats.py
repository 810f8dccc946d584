"Intervals and predictive values: answers known beforehand, and what must be refused."

import numpy as np
import pytest
from scipy.stats import binom, norm

from rsna_cls import auroc_interval, mean_interval, predictive_value, proportion, wilson


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


@pytest.mark.parametrize("wrong", [(90, 0.9, 0.1), (0.9, -0.1, 0.1), (0.9, 0.9, [0.1, 5])])
def test_percentages_are_refused(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictive_value(*wrong)
