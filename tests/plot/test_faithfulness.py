from __future__ import annotations

import numpy as np
import pandas as pd

from graphfuse.plot import plot_faithfulness


def test_every_curve_is_drawn_at_every_k():
    table = {"k": [1, 4, 16], "important": [0.1, 0.2, 0.3], "random": [0.0, 0.01, 0.02], "least": [0.0, -0.01, -0.02]}
    curves = pd.DataFrame(table).assign(random_low=[-0.01, -0.02, -0.03], random_high=[0.02, 0.03, 0.05])
    curves.attrs |= {"auc": 0.8, "area": 0.19, "area_low": 0.1, "area_high": 0.28}
    axes = plot_faithfulness(curves).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    np.testing.assert_array_equal(lines["most important"], curves["important"])
    np.testing.assert_array_equal(lines["random, mean"], curves["random"])
    np.testing.assert_array_equal(lines["least important"], curves["least"])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4", "16"]
    assert "+0.190 [+0.100, +0.280]" in axes.get_title()
    assert "0.800" in axes.get_ylabel()
