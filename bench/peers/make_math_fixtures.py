"""Golden values for src/math from scikit-learn, scipy, statsmodels and numpy."""
import json
import pathlib

import numpy as np
from scipy import special, stats
from sklearn import metrics
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(7)
sets = {
    "ties": (np.round(rng.normal(1, 1, 40), 1) + 0.0, np.round(rng.normal(0, 1, 300), 1) + 0.0),
    "smooth": (rng.normal(1.5, 1, 37), rng.normal(0, 1, 211)),
    "apart": (np.arange(5) + 10.0, np.arange(9) * 1.0),
    "equal": (np.ones(4), np.ones(6)),
}
ranking = []
for name, (p, n) in sets.items():
    y = np.r_[np.ones(len(p)), np.zeros(len(n))]
    s = np.r_[p, n]
    fpr, tpr, thr = metrics.roc_curve(y, s, drop_intermediate=False)
    ranking.append(
        dict(
            name=name, positives=p.tolist(), negatives=n.tolist(), auc=metrics.roc_auc_score(y, s),
            fpr=fpr.tolist(), tpr=tpr.tolist(), thresholds=thr[1:].tolist(),
            tprAt={str(f): float(tpr[np.nonzero(fpr < f)[0][-1]]) for f in (0.01, 0.05, 0.1)},
        )
    )
values = rng.normal(0, 3, 23)
halves = np.r_[
    rng.normal(0, 1, 60), rng.normal(0, 1e-5, 60), rng.normal(0, 1e-7, 60), 10.0 ** rng.uniform(-9, 5.5, 200),
    [65504, 65519.99, 65520, 65536, 1e9, 2.0**-24, 2.0**-25, 2.0**-25 * 1.0000001, 3 * 2.0**-25, 0, 6.1e-5, 2.0**-14, 1 + 2.0**-11, 1 + 3 * 2.0**-11],
].astype(np.float32)
with np.errstate(over="ignore"):
    bits = halves.astype(np.float16).view(np.uint16)
# A stream of its own: what was drawn before stays as it is.
draws = np.random.default_rng(11)
nulls = np.round(draws.normal(0, 1, 199), 1) + 0.0
scores = np.round(np.r_[draws.normal(0, 1, 60), draws.normal(3, 1, 25)], 1) + 0.0
p_sets = {
    # scipy's Monte Carlo test uses the same estimate, (1 + count) / (n + 1).
    "shared null": (1 + (nulls[None] >= scores[:, None]).sum(1)) / (len(nulls) + 1),
    "independent": np.r_[draws.uniform(0, 1, 80), draws.uniform(0, 1e-3, 12)],
    "ties": np.array([0.01] * 5 + [0.04] * 3 + [0.2, 0.2, 0.9, 1.0, 0.0]),
    "one": np.array([0.03]),
    "none of them": np.linspace(0.3, 1, 20),
}
discoveries = []
for name, p in p_sets.items():
    for rate in (0.05, 0.2):
        for method, dependence in (("fdr_bh", "positive"), ("fdr_by", "any")):
            rejected, q, _, _ = multipletests(p, rate, method=method)
            np.testing.assert_allclose(q, stats.false_discovery_control(p, method=method[-2:]), rtol=1e-12)
            discoveries.append(dict(name=name, rate=rate, dependence=dependence, p=p.tolist(), rejected=rejected.astype(int).tolist(), q=q.tolist()))
out = dict(
    ranking=ranking,
    summary=dict(
        values=values.tolist(), mean=values.mean(), std=values.std(), std1=values.std(ddof=1),
        quantiles=[[q, float(np.quantile(values, q))] for q in (0, 0.001, 0.1, 0.25, 0.5, 0.77, 0.999, 1)],
    ),
    normalQuantile=[[p, float(special.ndtri(p))] for p in (1e-12, 1e-5, 0.01, 0.025, 0.2, 0.5, 0.7, 0.975, 0.9999999)],
    logGamma=[[x, float(special.gammaln(x))] for x in (0.1, 0.5, 1, 2.5, 11.9, 12, 400.25, 1e5)],
    beta=[[x, a, b, float(special.betainc(a, b, x))] for x, a, b in ((0.1, 2, 3), (0.9, 2, 3), (0.5, 0.5, 0.5), (0.01, 1, 300), (0.3, 30, 80), (0.26, 3000, 8000))],
    share=[
        [k, n, level, *map(float, stats.binomtest(k, n).proportion_ci(level, method="wilson")), *map(float, stats.binomtest(k, n).proportion_ci(level, method="exact"))]
        for k, n, level in ((0, 300, 0.95), (3, 10, 0.95), (30, 30, 0.9), (117, 500, 0.99), (1, 10000, 0.95))
    ],
    empirical=dict(nulls=nulls.tolist(), scores=scores.tolist(), p=p_sets["shared null"].tolist()),
    discoveries=discoveries,
    halves=dict(values=halves.tolist(), bits=bits.tolist()),
)
path = pathlib.Path(__file__).parents[2] / "src/math/fixtures/golden.json"
path.write_text(json.dumps(out) + "\n")
