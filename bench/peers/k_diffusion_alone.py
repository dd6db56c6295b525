"""k-diffusion's denoisers and samplers alone: its package also imports training code and torchvision.

Import it after what looks whether torchvision is there (diffusers, transformers): it puts a stand-in in its place.
"""

import importlib
import importlib.util
import sys
import types
from unittest.mock import MagicMock

for name in ["torchvision", "torchvision.transforms"]:
    sys.modules[name] = MagicMock()
package = types.ModuleType("k_diffusion")
package.__path__ = importlib.util.find_spec("k_diffusion").submodule_search_locations
sys.modules["k_diffusion"] = package
external, sampling = (importlib.import_module(f"k_diffusion.{part}") for part in ["external", "sampling"])
