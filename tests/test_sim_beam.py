"The simulator's physics: known answers, from the tube through the patient to the greys of a film."

import numpy as np
import pytest

from rsna_cls.sim.beam import KEV, MU, spectrum, transmission
from rsna_cls.sim.exposure import _add_noise, _aperture, _haze, _power_noise, develop, expose

PX = 0.3  # cm
SHAPE = (80, 100)
ONE_ENERGY = 55  # kV: of the energies only 40 keV lies below

QUIET = dict(  # an exposure without anything that makes it uneven
    scale=1.0,
    texture=0.0,
    bone_density=1.0,
    lung_density=1.0,
    kvp=ONE_ENERGY,
    scatter=0.0,
    collimation=(0, 0, 0, 0),
    dose=1e12,
)
PLAIN = dict(black=1, gamma=1.0, latitude=0.0, sharpen=0.0, window=1.0, brightness=0.5)


def slab(**cm):
    "Path lengths of an even slab, or of what is given as an array; nothing of other tissues."
    return {tissue: np.zeros(SHAPE) + cm.get(tissue, 0) for tissue in MU}


def exposed(cm, seed=0, **changes):
    "The signal of a quiet exposure with some parameters changed."
    return expose(cm, PX, QUIET | changes, np.random.default_rng(seed)).signal


class TestAttenuation:
    # density (g/cm3) and mass attenuation coefficient (cm2/g), typed off NIST's pages
    # physics.nist.gov/PhysRefData/XrayMassCoef/tab1.html to tab4.html
    NIST = [
        # tissue, keV, density, coefficient
        ("soft", 40, 1.060, 2.688e-01),
        ("soft", 80, 1.060, 1.823e-01),
        ("fat", 60, 0.950, 1.974e-01),
        ("air", 60, 1.205e-03, 1.875e-01),
        ("bone", 40, 1.920, 6.655e-01),
        ("bone", 100, 1.920, 1.855e-01),
        ("metal", 60, 4.540, 7.661e-01),
    ]

    @pytest.mark.parametrize("tissue, kev, density, coefficient", NIST)
    def test_of_nist(self, tissue, kev, density, coefficient):
        mu = MU[tissue][list(KEV).index(kev)]  # 1/cm
        assert mu == pytest.approx(density * coefficient, rel=0.005)

    def test_lung_is_mostly_air(self):
        "Inflated lung weighs about 0.26 g/cm3, of which the air in it weighs next to nothing."
        assert MU["lung"] / MU["soft"] == pytest.approx(4 * [0.26 / 1.06], rel=0.01)

    def test_contrast_medium_is_water_with_barium(self):
        water = np.array([2.683e-01, 2.059e-01, 1.837e-01, 1.707e-01])  # 1/cm: 1 g/cm3
        barium = np.array([2.457e01, 8.511e00, 3.963e00, 2.196e00])  # cm2/g
        assert MU["contrast"] == pytest.approx(water + 0.1 * barium)

    @pytest.mark.parametrize("tissue, layer", [("soft", 2.433), ("bone", 0.5425), ("fat", 3.045)])
    def test_half_value_layers(self, tissue, layer):
        "At 40 keV: cm that stop half; two of them leave a quarter, ten a thousandth."
        left = transmission({tissue: layer * np.array([0, 1, 2, 10])}, ONE_ENERGY)
        assert left == pytest.approx([1, 1 / 2, 1 / 4, 1 / 1024], rel=0.005)

    def test_layers_multiply_in_any_order(self):
        cm = dict(soft=12.0, bone=1.5, fat=3.0)
        each = [transmission({tissue: path}, ONE_ENERGY) for tissue, path in cm.items()]
        assert transmission(cm, ONE_ENERGY) == pytest.approx(np.prod(each))
        backwards = dict(reversed(cm.items()))
        assert transmission(backwards, 120) == pytest.approx(transmission(cm, 120))


class TestSpectrum:
    @pytest.mark.parametrize("kvp", [45, 60, 75, 100, 150])
    def test_shares(self, kvp):
        shares = spectrum(kvp)
        assert shares.sum() == pytest.approx(1)
        assert ((shares > 0) == (kvp > KEV)).all()  # no photon has more than the tube's voltage

    def test_by_hand(self):
        "At 90 kV: Kramers 50 : 30 : 10, and what 3 mm of aluminium (2.7 g/cm3) let through."
        let_through = np.exp(-0.3 * 2.7 * np.array([0.5685, 0.2778, 0.2018]))
        by_hand = np.array([50, 30, 10]) * let_through
        assert spectrum(90)[:3] == pytest.approx(by_hand / by_hand.sum())

    def test_more_voltage_is_a_harder_beam(self):
        means = [spectrum(kvp) @ KEV for kvp in (55, 70, 90, 120, 150)]
        assert (np.diff(means) > 1).all()  # keV

    def test_bone_fades_at_high_voltage(self):
        "Why a chest is taken at 120 kV: a centimetre of bone stops far less of the beam."
        stopped = [
            1 - transmission({"soft": 10, "bone": 1}, kvp) / transmission({"soft": 10}, kvp)
            for kvp in (50, 120)
        ]
        assert stopped[1] < 0.8 * stopped[0]

    @pytest.mark.parametrize("kvp", [40, 0, -5])
    def test_no_beam(self, kvp):
        with pytest.raises(ValueError, match="from 45 to 150"):
            transmission({"soft": 1}, kvp)


class TestBeamHardening:
    cm = np.arange(1.0, 41.0)

    def effective_attenuation(self, kvp):
        "What a layer seems to attenuate (1/cm), when it is so thick."
        return -np.log(transmission({"soft": self.cm}, kvp)) / self.cm

    def test_thick_layers_seem_to_attenuate_less(self):
        effective = self.effective_attenuation(120)
        assert (np.diff(effective) < -1e-5).all()
        assert effective.max() < MU["soft"][0]  # between the softest energy
        assert effective.min() > MU["soft"][-1]  # and the hardest

    def test_not_with_one_energy(self):
        assert np.ptp(self.effective_attenuation(ONE_ENERGY)) < 1e-12

    def test_the_second_half_value_layer_is_the_longer(self):
        cm = np.linspace(0, 20, 20001)
        left = transmission({"soft": cm}, 120)
        first = cm[np.argmax(left <= 1 / 2)]
        second = cm[np.argmax(left <= 1 / 4)] - first
        assert 1.02 < second / first < 1.2


class TestNoise:
    def test_four_times_the_dose_is_half_the_noise(self):
        "On the film: the logarithm of N counted photons scatters by 1 / √N."
        cm = slab(soft=5.0)
        arriving = transmission({"soft": 5.0}, ONE_ENERGY)
        grain = [exposed(cm, seed, dose=dose).std() for seed, dose in enumerate((1e4, 4e4))]
        assert grain[0] / grain[1] == pytest.approx(2, rel=0.05)
        assert grain[0] == pytest.approx(1 / np.sqrt(1e4 * arriving), rel=0.05)

    @pytest.mark.parametrize("share", [0.01, 0.2, 1.0])
    def test_variance_is_signal_over_dose(self, share):
        noisy = _add_noise(np.full(100_000, share), 1e5, np.random.default_rng(1))
        assert noisy.mean() == pytest.approx(share, rel=0.002)
        assert noisy.var() == pytest.approx(share / 1e5, rel=0.03)

    def test_no_photon_no_quantum_noise(self):
        dark = _add_noise(np.full(100_000, -1e-9), 1e5, np.random.default_rng(1))
        assert dark.std() == pytest.approx(2 / 1e5, rel=0.03)  # two photons' worth of electronics


class TestTexture:
    @pytest.mark.parametrize("beta", [0.0, 1.8, 3.0])
    def test_power_law(self, beta):
        "A straight line in the doubly logarithmic plot of power and frequency, of slope -beta."
        texture = _power_noise((256, 256), PX, beta, np.random.default_rng(2))
        power = np.abs(np.fft.fft2(texture)) ** 2
        axis = np.fft.fftfreq(256, PX)
        frequency = np.hypot(axis[:, None], axis)  # 1/cm
        rings = np.geomspace(0.6, 1.6, 9)
        ring = np.digitize(frequency, rings)
        mean_power = [power[ring == i].mean() for i in range(1, 9)]
        middle = np.sqrt(rings[1:] * rings[:-1])
        slope = np.polyfit(np.log(middle), np.log(mean_power), 1)[0]
        assert slope == pytest.approx(-beta, abs=0.15)

    def test_mean_and_spread(self):
        texture = _power_noise((50, 70), PX, 3.0, np.random.default_rng(3))
        assert texture.shape == (50, 70)
        assert texture.mean() == pytest.approx(0, abs=1e-12)
        assert texture.std() == pytest.approx(1)

    def test_is_the_same_in_every_direction(self):
        texture = _power_noise((256, 256), PX, 1.8, np.random.default_rng(4))
        down, across = (np.diff(texture, axis=axis).std() for axis in (0, 1))
        assert down == pytest.approx(across, rel=0.05)

    def test_lung_is_rougher_than_muscle(self):
        spread = {
            tissue: (exposed(slab(**{tissue: 5.0}), texture=1.0)).std() / MU[tissue][0]
            for tissue in ("lung", "soft", "fat")
        }
        assert spread["lung"] > 4 * spread["soft"]
        assert spread["soft"] > 100 * spread["fat"]  # fat has no texture


class TestCollimator:
    SIDES = {"top": (0, 0.2), "right": (1, 0.3), "bottom": (2, 0.1), "left": (3, 0.4)}

    @pytest.mark.parametrize("side", SIDES)
    def test_each_blade_cuts_off_its_share(self, side):
        place, share = self.SIDES[side]
        margins = [0.0, 0.0, 0.0, 0.0]
        margins[place] = share
        opening = _aperture((100, 200), PX, margins)

        # Turn the film until that side is on top.
        from_that_side = np.rot90(opening, place)
        n = len(from_that_side)
        profile = from_that_side[:, from_that_side.shape[1] // 2]
        is_dark = profile < 0.499
        assert is_dark.sum() == round(share * n)
        assert is_dark[: round(share * n)].all()
        assert profile[0] < 1e-3
        assert profile[-1] > 0.999

    def test_without_margins_all_is_open(self):
        assert _aperture((100, 200), PX, (0, 0, 0, 0)).min() > 0.999

    def test_the_edge_is_soft_and_as_wide_in_cm_on_any_film(self):
        widths = []
        for px in (0.02, 0.01):
            profile = _aperture((2000, 8), px, (0.5, 0, 0, 0))[:, 4]
            is_edge = (profile > 0.1) & (profile < 0.9)
            widths.append(is_edge.sum() * px)
        assert widths[0] == pytest.approx(widths[1], rel=0.1)
        assert 0.2 < widths[0] < 1  # cm

    def test_what_is_cut_off_is_behind_lead(self):
        rng = np.random.default_rng(0)
        params = QUIET | dict(collimation=(0, 0.25, 0, 0))
        exposure = expose(slab(soft=2.0), PX, params, rng)
        assert np.array_equal(exposure.opening, _aperture(SHAPE, PX, (0, 0.25, 0, 0)))
        assert exposure.signal[40, 99] > 5  # a few ten-thousandths of the beam
        assert exposure.signal[40, 10] == pytest.approx(2 * MU["soft"][0], abs=0.01)


class TestScatter:
    def rib_contrast(self, scatter):
        "Signal of a small piece of bone in 20 cm of soft tissue, above what is beside it."
        cm = slab(soft=20.0)
        cm["bone"][37:43, 47:53] = 1.0
        signal = exposed(cm, scatter=scatter, kvp=100)
        return signal[40, 50] - signal[40, 20]

    def test_lowers_contrast(self):
        contrast = [self.rib_contrast(scatter) for scatter in (0, 0.2, 0.4, 0.6)]
        assert (np.diff(contrast) < -0.02).all()
        # As much scattered as direct radiation would leave half of a faint contrast.
        assert contrast[3] == pytest.approx(contrast[0] / 1.6, rel=0.2)

    def test_comes_from_the_patient_not_from_air(self):
        assert np.array_equal(exposed(slab(), scatter=0.6), exposed(slab(), scatter=0.0))

    def test_thin_parts_scatter_less(self):
        def veil(cm):
            return 1 - np.exp(exposed(slab(soft=cm), scatter=0.4) - exposed(slab(soft=cm))).mean()

        # Of 20 cm: 0.4 of the primary beam, that is 0.4 / 1.4 of all; of 5 cm a quarter of it.
        assert veil(5) == pytest.approx(0.1 / 1.1, rel=0.05)

    def test_spreads_over_centimetres_and_loses_nothing(self):
        point = np.zeros((101, 101))
        point[50, 50] = 1
        spread = _haze(point, 6 / PX)
        assert spread.sum() == pytest.approx(1)
        columns = np.nonzero(spread.sum(0) > 1e-9)[0]
        assert 6 < np.ptp(columns) * PX < 12  # cm


class TestExposure:
    def test_signal_is_the_exponent(self):
        "Equal steps of thickness are equal steps of signal."
        thickness = np.arange(0, 12, 2.0)  # cm
        signal = [exposed(slab(soft=cm)).mean() for cm in thickness]
        assert signal == pytest.approx(thickness * MU["soft"][0], abs=0.01)

    def test_parameters_change_the_patient(self):
        soft, bone, lung = (
            exposed(slab(**{tissue: 4.0})).mean() for tissue in ("soft", "bone", "lung")
        )
        close = pytest.approx
        assert exposed(slab(soft=4.0), scale=0.5).mean() == close(0.5 * soft, rel=0.01)
        assert exposed(slab(bone=4.0), bone_density=0.8).mean() == close(0.8 * bone, rel=0.01)
        assert exposed(slab(lung=4.0), lung_density=1.2).mean() == close(1.2 * lung, rel=0.01)

    def test_leaves_the_patient_as_he_was(self):
        cm = slab(soft=5.0, lung=3.0)
        before = {tissue: path.copy() for tissue, path in cm.items()}
        exposed(cm, texture=1.0, scatter=0.5, dose=1e5, scale=0.5)
        assert all(np.array_equal(cm[tissue], before[tissue]) for tissue in MU)

    def test_the_same_seed_is_the_same_exposure(self):
        cm = slab(soft=5.0)
        noisy = dict(texture=1.0, dose=1e5)
        assert np.array_equal(exposed(cm, 1, **noisy), exposed(cm, 1, **noisy))
        assert not np.array_equal(exposed(cm, 1, **noisy), exposed(cm, 2, **noisy))

    def test_metal_is_no_infinity(self):
        signal = exposed(slab(metal=50.0), dose=1e4)  # noise brings many pixels below 0
        assert np.isfinite(signal).all()
        assert signal.max() == pytest.approx(-np.log(2e-5))


class TestDevelop:
    rng = np.random.default_rng(5)
    signal = rng.uniform(0, 6, SHAPE)  # no neighbour knows its neighbour
    everywhere = np.ones(SHAPE, bool)

    def greys(self, signal=signal, is_body=everywhere, **changes):
        return develop(signal, is_body, PLAIN | changes, PX)

    def is_monotone(self, **changes):
        in_order = self.greys(**changes).ravel()[np.argsort(self.signal.ravel())]
        return (np.diff(in_order) >= 0).all()

    SETTINGS = [{}, dict(gamma=0.6), dict(gamma=1.3, window=1.2), dict(brightness=0.35)]

    @pytest.mark.parametrize("changes", SETTINGS)
    def test_more_tissue_is_never_darker(self, changes):
        assert self.is_monotone(**changes)
        grey = self.greys(**changes)
        assert 0 <= grey.min() < 60
        assert 195 < grey.max() <= 255

    def test_except_where_neighbours_matter(self):
        assert not self.is_monotone(sharpen=0.5)
        assert not self.is_monotone(latitude=0.4)

    def test_what_each_setting_does(self):
        plain = self.greys()
        assert self.greys(brightness=0.6).mean() > plain.mean() + 10
        assert self.greys(window=1.3).std() > plain.std() + 3
        assert self.greys(gamma=0.7).mean() > plain.mean() + 5
        assert self.greys(black=20).mean() < plain.mean() - 5
        assert self.greys(sharpen=0.5).std() > plain.std() + 5

    def test_latitude_brings_large_parts_together_and_keeps_detail(self):
        halves = np.repeat([[1.0, 4.0]], 50, axis=1) + 0.2 * (np.indices(SHAPE).sum(0) % 2)

        def apart_and_detail(latitude):
            grey = self.greys(halves, latitude=latitude)
            apart = grey[:, 80:90].mean() - grey[:, 10:20].mean()
            return apart, np.abs(np.diff(grey[:, 10:20], axis=1)).mean()

        hard, soft = apart_and_detail(0.0), apart_and_detail(0.5)
        assert soft[0] < 0.8 * hard[0]
        assert soft[1] > hard[1]

    def test_a_thicker_patient_comes_out_as_bright(self):
        assert self.greys(self.signal + 3) == pytest.approx(self.greys())

    def test_only_the_patient_in_the_middle_sets_the_window(self):
        with_metal = self.signal.copy()
        with_metal[30:50, 40:70] = 12
        with_metal[:8] = 12  # a tenth of the film at its upper edge
        is_body = with_metal < 12
        alone = self.greys(self.signal, is_body)
        beside_metal = self.greys(with_metal, is_body)
        assert np.array_equal(beside_metal[is_body], alone[is_body])
        assert (beside_metal[~is_body] == 255).all()

        # With the metal in the window everybody else gets darker; the film's rim has no say.
        assert self.greys(with_metal)[is_body].mean() < alone[is_body].mean() - 20
        rim_only = self.signal.copy()
        rim_only[:8] = 12
        assert np.array_equal(self.greys(rim_only)[8:], self.greys()[8:])

    def test_films_with_nothing_on_them(self):
        nobody = np.zeros(SHAPE, bool)
        whole_film = self.greys(is_body=nobody)
        assert whole_film.min() < 60
        assert whole_film.max() > 195
        even = self.greys(np.ones(SHAPE), nobody)
        assert np.isfinite(even).all()
        assert np.ptp(even) == 0
