#!/usr/bin/env python3
"""Writes windows, predictions and the scores that the evaluation kit's score.py gives them.

usage: make.py FOLDER_OF_SCORE_PY
"""
import json, math, random, sys

sys.path.insert(0, sys.argv[1])
import score  # noqa: E402

random.seed(7)
windows, predictions = [], []
for task, (m, h, length) in dict(day=(24, 5, 80), none=(1, 4, 30), short=(12, 3, 9), flat=(1, 2, 20)).items():
    for k in range(3):
        level = 0 if task == "flat" and k == 0 else 10 + k
        series = [level + (0 if task == "flat" and k == 0 else 3 * math.sin(i / 3) + random.gauss(0, 1)) for i in range(length + h)]
        series = [round(v, 3) for v in series]
        target = series[length:]
        if task == "day" and k == 1:
            target[2] = None
        windows.append(dict(id=f"{task}/{k}", task=task, freq="H", m=m, h=h, context=series[:length], target=target))
        q = [[round(series[length - 1] + random.gauss(0, .5) + 2 * (p - .5), 3) for _ in range(h)] for p in score.QS]
        if task == "none" and k == 2:
            q = None  # A failure: Seasonal Naive is scored in its place.
        predictions.append(dict(id=f"{task}/{k}", model="fixture", q=q, ms=1))
baseline = {w["id"]: score.np.array(score.seasonal_naive(w)) for w in windows}
naive = score.score(windows, {k: dict(q=v) for k, v in baseline.items()}, baseline)[0]
scored, failed, _ = score.score(windows, {p["id"]: p for p in predictions}, baseline)
ratio = lambda key: math.exp(score.np.mean([math.log(scored[t][key] / naive[t][key]) for t in scored if naive[t][key] > 0 and scored[t][key] > 0]))
total = dict(mase=ratio("mase"), wql=ratio("wql"),
             c80=float(score.np.mean([v["c80"] for v in scored.values()])), c95=float(score.np.mean([v["c95"] for v in scored.values()])))
with open("windows.jsonl", "w") as f:
    f.writelines(json.dumps(w) + "\n" for w in windows)
with open("predictions.jsonl", "w") as f:
    f.writelines(json.dumps(p) + "\n" for p in predictions)
with open("expected.json", "w") as f:
    json.dump(dict(failed=failed, naive=naive, scored=scored, total=total, quantiles=baseline["day/0"].tolist()), f, indent=1)
