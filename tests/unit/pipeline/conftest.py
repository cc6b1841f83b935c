import sys
from pathlib import Path

for _path in (Path(__file__).parents[3] / "layers/pipeline/python", Path(__file__).parent):
    sys.path.insert(0, str(_path))
