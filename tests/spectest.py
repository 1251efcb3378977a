"""Where the official scripts are: $IMAGO_SPECTEST, tests/spec/suite, or a folder `spectest` beside
or near the checkout."""
import glob
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MISSING = "skipped: the official scripts are not here; IMAGO_SPECTEST names their folder"


def suite():
    """The folder with core/ and simd/, or None."""
    places = [os.environ.get("IMAGO_SPECTEST", ""), os.path.join(ROOT, "tests/spec/suite")]
    for pattern in ("../spectest", "../*/spectest"):
        places += sorted(glob.glob(os.path.join(ROOT, pattern)))
    for place in places:
        if os.path.isdir(os.path.join(place, "core")):
            return os.path.normpath(place)
    return None


def scripts(*parts):
    """Paths of the scripts in these folders of the suite; none if it is not on this machine."""
    folder = suite()
    return [path for part in parts if folder is not None
            for path in sorted(glob.glob(os.path.join(folder, part, "*.wast")))]
