"""Golden files of src/search: arrays as NumPy itself writes them.

    bench/peers/.venv/bin/python bench/peers/make_search_fixtures.py
"""

from pathlib import Path

import numpy as np

folder = Path(__file__).parents[2] / "src" / "search" / "fixtures"
folder.mkdir(parents=True, exist_ok=True)
values = np.arange(12).reshape(3, 4) / 8 - 0.5
np.save(folder / "float32.npy", values.astype("<f4"))
np.save(folder / "float16.npy", values.astype("<f2"))
np.save(folder / "float64.npy", values)
np.save(folder / "fortran.npy", np.asfortranarray(values.astype("<f4")))
with open(folder / "version-2.npy", "wb") as file:
    np.lib.format.write_array(file, values.astype("<f4"), version=(2, 0))
